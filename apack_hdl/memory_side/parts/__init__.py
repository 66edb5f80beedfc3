"""What all of the block is made of: memories, queues, trees, parts that are modules of their own."""

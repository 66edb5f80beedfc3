/* Registers of the APack memory-side block, version 1.0 of the map.
 * Made by `python -m apack_hdl.memory_side.driver`; registers.md has the same with all details.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef APACK_MEMORY_SIDE_H
#define APACK_MEMORY_SIDE_H

#define APACK_MAP_MAJOR 1u
#define APACK_MAP_MINOR 0u
#define APACK_ID_EXPECTED 0x4B435041u /* "APCK" */

/* Which block this is */
#define APACK_ID 0x000u

/* Of this register map */
#define APACK_VERSION 0x004u
#define APACK_VERSION_MINOR_SHIFT 0
#define APACK_VERSION_MINOR_MASK 0x0000FFFFu
#define APACK_VERSION_MAJOR_SHIFT 16
#define APACK_VERSION_MAJOR_MASK 0xFFFF0000u

/* What works in it */
#define APACK_ENGINES 0x008u
#define APACK_ENGINES_ENGINES_SHIFT 0
#define APACK_ENGINES_ENGINES_MASK 0x000000FFu
#define APACK_ENGINES_ENCODER_STREAMS_SHIFT 8
#define APACK_ENGINES_ENCODER_STREAMS_MASK 0x00000F00u
#define APACK_ENGINES_DECODER_STREAMS_SHIFT 12
#define APACK_ENGINES_DECODER_STREAMS_MASK 0x0000F000u
#define APACK_ENGINES_BY_ID_SHIFT 16
#define APACK_ENGINES_BY_ID_MASK 0x00010000u

/* How wide its data buses are */
#define APACK_BUSES 0x00Cu
#define APACK_BUSES_MEMORY_SHIFT 0
#define APACK_BUSES_MEMORY_MASK 0x0000FFFFu
#define APACK_BUSES_STREAM_SHIFT 16
#define APACK_BUSES_STREAM_MASK 0xFFFF0000u

/* The codec's parameters */
#define APACK_CODEC 0x010u
#define APACK_CODEC_WIDTH_SHIFT 0
#define APACK_CODEC_WIDTH_MASK 0x000000FFu
#define APACK_CODEC_ROWS_SHIFT 8
#define APACK_CODEC_ROWS_MASK 0x0000FF00u
#define APACK_CODEC_PROB_BITS_SHIFT 16
#define APACK_CODEC_PROB_BITS_MASK 0x00FF0000u
#define APACK_CODEC_MULT_BITS_SHIFT 24
#define APACK_CODEC_MULT_BITS_MASK 0xFF000000u

/* Values per block */
#define APACK_BLOCK 0x014u
#define APACK_BLOCK_LONGEST_SHIFT 0
#define APACK_BLOCK_LONGEST_MASK 0x000FFFFFu
#define APACK_BLOCK_BEAT_SHIFT 20
#define APACK_BLOCK_BEAT_MASK 0xFFF00000u

/* How much it can hold */
#define APACK_SIZES 0x018u
#define APACK_SIZES_QUEUE_SHIFT 0
#define APACK_SIZES_QUEUE_MASK 0x000000FFu
#define APACK_SIZES_TABLES_SHIFT 8
#define APACK_SIZES_TABLES_MASK 0x0000FF00u
#define APACK_SIZES_ADDRESS_SHIFT 16
#define APACK_SIZES_ADDRESS_MASK 0x00FF0000u

/* What it is to do */
#define APACK_CONTROL 0x020u
#define APACK_CONTROL_ENABLE_SHIFT 0
#define APACK_CONTROL_ENABLE_MASK 0x00000001u
#define APACK_CONTROL_ABORT_COMPRESS_SHIFT 1
#define APACK_CONTROL_ABORT_COMPRESS_MASK 0x00000002u
#define APACK_CONTROL_ABORT_DECOMPRESS_SHIFT 2
#define APACK_CONTROL_ABORT_DECOMPRESS_MASK 0x00000004u
#define APACK_CONTROL_SOFT_RESET_SHIFT 3
#define APACK_CONTROL_SOFT_RESET_MASK 0x00000008u

/* What it does */
#define APACK_STATUS 0x024u
#define APACK_STATUS_BUSY_COMPRESS_SHIFT 0
#define APACK_STATUS_BUSY_COMPRESS_MASK 0x00000001u
#define APACK_STATUS_BUSY_DECOMPRESS_SHIFT 1
#define APACK_STATUS_BUSY_DECOMPRESS_MASK 0x00000002u
#define APACK_STATUS_PUSH_REFUSED_SHIFT 2
#define APACK_STATUS_PUSH_REFUSED_MASK 0x00000004u
#define APACK_STATUS_ROW_REFUSED_SHIFT 3
#define APACK_STATUS_ROW_REFUSED_MASK 0x00000008u
#define APACK_STATUS_QUEUE_FREE_SHIFT 8
#define APACK_STATUS_QUEUE_FREE_MASK 0x0000FF00u
#define APACK_STATUS_RESULTS_SHIFT 16
#define APACK_STATUS_RESULTS_MASK 0x00FF0000u

/* What has happened */
#define APACK_IRQ_STATUS 0x028u
#define APACK_IRQ_STATUS_JOB_DONE_SHIFT 0
#define APACK_IRQ_STATUS_JOB_DONE_MASK 0x00000001u
#define APACK_IRQ_STATUS_JOB_FAILED_SHIFT 1
#define APACK_IRQ_STATUS_JOB_FAILED_MASK 0x00000002u
#define APACK_IRQ_STATUS_QUEUE_EMPTY_SHIFT 2
#define APACK_IRQ_STATUS_QUEUE_EMPTY_MASK 0x00000004u

/* Which events interrupt */
#define APACK_IRQ_ENABLE 0x02Cu
#define APACK_IRQ_ENABLE_JOB_DONE_SHIFT 0
#define APACK_IRQ_ENABLE_JOB_DONE_MASK 0x00000001u
#define APACK_IRQ_ENABLE_JOB_FAILED_SHIFT 1
#define APACK_IRQ_ENABLE_JOB_FAILED_MASK 0x00000002u
#define APACK_IRQ_ENABLE_QUEUE_EMPTY_SHIFT 2
#define APACK_IRQ_ENABLE_QUEUE_EMPTY_MASK 0x00000004u

/* Where the next TABLE_ROW goes */
#define APACK_TABLE_SELECT 0x030u
#define APACK_TABLE_SELECT_ROW_SHIFT 0
#define APACK_TABLE_SELECT_ROW_MASK 0x000000FFu
#define APACK_TABLE_SELECT_TABLE_SHIFT 8
#define APACK_TABLE_SELECT_TABLE_MASK 0x0000FF00u

/* A row of a table */
#define APACK_TABLE_ROW 0x034u
#define APACK_TABLE_ROW_V_MIN_SHIFT 0
#define APACK_TABLE_ROW_V_MIN_MASK 0x0000FFFFu
#define APACK_TABLE_ROW_COUNT_SHIFT 16
#define APACK_TABLE_ROW_COUNT_MASK 0xFFFF0000u

/* The next job: kind */
#define APACK_JOB_FLAGS 0x040u
#define APACK_JOB_FLAGS_DECOMPRESS_SHIFT 0
#define APACK_JOB_FLAGS_DECOMPRESS_MASK 0x00000001u
#define APACK_JOB_FLAGS_SLOTS_SHIFT 1
#define APACK_JOB_FLAGS_SLOTS_MASK 0x00000002u
#define APACK_JOB_FLAGS_DENSE_SHIFT 2
#define APACK_JOB_FLAGS_DENSE_MASK 0x00000004u
#define APACK_JOB_FLAGS_SIGNED_SHIFT 3
#define APACK_JOB_FLAGS_SIGNED_MASK 0x00000008u
#define APACK_JOB_FLAGS_OVERLAP_SHIFT 4
#define APACK_JOB_FLAGS_OVERLAP_MASK 0x00000010u

/* The next job: table and width */
#define APACK_JOB_FORMAT 0x044u
#define APACK_JOB_FORMAT_WIDTH_SHIFT 0
#define APACK_JOB_FORMAT_WIDTH_MASK 0x000000FFu
#define APACK_JOB_FORMAT_TABLE_SHIFT 8
#define APACK_JOB_FORMAT_TABLE_MASK 0x0000FF00u
#define APACK_JOB_FORMAT_TAG_SHIFT 16
#define APACK_JOB_FORMAT_TAG_MASK 0xFFFF0000u

/* The next job: values per block */
#define APACK_JOB_BLOCK 0x048u
#define APACK_JOB_BLOCK_VALUE_SHIFT 0
#define APACK_JOB_BLOCK_VALUE_MASK 0x000FFFFFu

/* The next job: distance of slots */
#define APACK_JOB_SLOT_BYTES 0x04Cu
#define APACK_JOB_SLOT_BYTES_VALUE_SHIFT 0
#define APACK_JOB_SLOT_BYTES_VALUE_MASK 0x00FFFFFFu

/* The next job: values of the tensor, 1 or more */
#define APACK_JOB_LENGTH 0x050u

/* The next job: address of the blocks, in bytes, low half */
#define APACK_JOB_DATA_LO 0x058u

/* The next job: address of the blocks, in bytes, high half */
#define APACK_JOB_DATA_HI 0x05Cu

/* The next job: address of the directory, a multiple of 8, low half */
#define APACK_JOB_DIRECTORY_LO 0x060u

/* The next job: address of the directory, a multiple of 8, high half */
#define APACK_JOB_DIRECTORY_HI 0x064u

/* Puts the next job, as the JOB registers say, at the end of the queue */
#define APACK_JOB_PUSH 0x068u
#define APACK_JOB_PUSH_PUSH_SHIFT 0
#define APACK_JOB_PUSH_PUSH_MASK 0x00000001u

/* The oldest result */
#define APACK_RESULT_STATUS 0x070u
#define APACK_RESULT_STATUS_VALID_SHIFT 0
#define APACK_RESULT_STATUS_VALID_MASK 0x00000001u
#define APACK_RESULT_STATUS_DECOMPRESS_SHIFT 1
#define APACK_RESULT_STATUS_DECOMPRESS_MASK 0x00000002u
#define APACK_RESULT_STATUS_ERROR_SHIFT 4
#define APACK_RESULT_STATUS_ERROR_MASK 0x000000F0u
#define APACK_RESULT_STATUS_ERROR_NONE 0u
#define APACK_RESULT_STATUS_ERROR_DESCRIPTOR 1u
#define APACK_RESULT_STATUS_ERROR_ABORTED 2u
#define APACK_RESULT_STATUS_ERROR_READ 3u
#define APACK_RESULT_STATUS_ERROR_WRITE 4u
#define APACK_RESULT_STATUS_ERROR_DIRECTORY 5u
#define APACK_RESULT_STATUS_ERROR_CHECKSUM 6u
#define APACK_RESULT_STATUS_ERROR_STREAM 7u
#define APACK_RESULT_STATUS_ERROR_PACKET 8u
#define APACK_RESULT_STATUS_TAG_SHIFT 16
#define APACK_RESULT_STATUS_TAG_MASK 0xFFFF0000u

/* The oldest result: the block that the error is about (INTEGRATION.md, Errors) */
#define APACK_RESULT_BLOCK 0x074u

/* The oldest result: bytes of the blocks written or read, without directory, low half */
#define APACK_RESULT_STORED_LO 0x078u

/* The oldest result: bytes of the blocks written or read, without directory, high half */
#define APACK_RESULT_STORED_HI 0x07Cu

/* Lets the next result come */
#define APACK_RESULT_POP 0x080u
#define APACK_RESULT_POP_POP_SHIFT 0
#define APACK_RESULT_POP_POP_MASK 0x00000001u

/* Sets counters to 0 */
#define APACK_COUNTERS_CLEAR 0x084u
#define APACK_COUNTERS_CLEAR_CLEAR_SHIFT 0
#define APACK_COUNTERS_CLEAR_CLEAR_MASK 0x00000FFFu

/* Compression: values that have passed, low half */
#define APACK_COMPRESS_VALUES_LO 0x100u

/* Compression: values that have passed, high half */
#define APACK_COMPRESS_VALUES_HI 0x104u

/* Compression: bytes that these values have when each has as many bits as its job's width, low half */
#define APACK_COMPRESS_RAW_BYTES_LO 0x108u

/* Compression: bytes that these values have when each has as many bits as its job's width, high half */
#define APACK_COMPRESS_RAW_BYTES_HI 0x10Cu

/* Compression: bytes of the blocks in memory, without directory, low half */
#define APACK_COMPRESS_STORED_BYTES_LO 0x110u

/* Compression: bytes of the blocks in memory, without directory, high half */
#define APACK_COMPRESS_STORED_BYTES_HI 0x114u

/* Compression: cycles in which the accelerator's stream held the job up, low half */
#define APACK_COMPRESS_STALL_STREAM_LO 0x118u

/* Compression: cycles in which the accelerator's stream held the job up, high half */
#define APACK_COMPRESS_STALL_STREAM_HI 0x11Cu

/* Compression: cycles in which the memory held the job up, low half */
#define APACK_COMPRESS_STALL_MEMORY_LO 0x120u

/* Compression: cycles in which the memory held the job up, high half */
#define APACK_COMPRESS_STALL_MEMORY_HI 0x124u

/* Compression: cycles in which the engines held the job up, low half */
#define APACK_COMPRESS_STALL_ENGINES_LO 0x128u

/* Compression: cycles in which the engines held the job up, high half */
#define APACK_COMPRESS_STALL_ENGINES_HI 0x12Cu

/* Decompression: values that have passed, low half */
#define APACK_DECOMPRESS_VALUES_LO 0x130u

/* Decompression: values that have passed, high half */
#define APACK_DECOMPRESS_VALUES_HI 0x134u

/* Decompression: bytes that these values have when each has as many bits as its job's width, low half */
#define APACK_DECOMPRESS_RAW_BYTES_LO 0x138u

/* Decompression: bytes that these values have when each has as many bits as its job's width, high half */
#define APACK_DECOMPRESS_RAW_BYTES_HI 0x13Cu

/* Decompression: bytes of the blocks in memory, without directory, low half */
#define APACK_DECOMPRESS_STORED_BYTES_LO 0x140u

/* Decompression: bytes of the blocks in memory, without directory, high half */
#define APACK_DECOMPRESS_STORED_BYTES_HI 0x144u

/* Decompression: cycles in which the accelerator's stream held the job up, low half */
#define APACK_DECOMPRESS_STALL_STREAM_LO 0x148u

/* Decompression: cycles in which the accelerator's stream held the job up, high half */
#define APACK_DECOMPRESS_STALL_STREAM_HI 0x14Cu

/* Decompression: cycles in which the memory held the job up, low half */
#define APACK_DECOMPRESS_STALL_MEMORY_LO 0x150u

/* Decompression: cycles in which the memory held the job up, high half */
#define APACK_DECOMPRESS_STALL_MEMORY_HI 0x154u

/* Decompression: cycles in which the engines held the job up, low half */
#define APACK_DECOMPRESS_STALL_ENGINES_LO 0x158u

/* Decompression: cycles in which the engines held the job up, high half */
#define APACK_DECOMPRESS_STALL_ENGINES_HI 0x15Cu

#endif

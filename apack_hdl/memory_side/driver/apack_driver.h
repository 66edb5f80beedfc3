/* Driver of the APack memory-side block: C99, no allocation, no operating system.
 *
 * All functions but apack_probe take a struct apack that apack_probe has filled. They return APACK_OK or a negative
 * number unless stated otherwise. They do not lock: one caller at a time.
 *
 * Registers are reached through APACK_READ32 and APACK_WRITE32, which can be defined before this file is included; by
 * default they are accesses to memory in which the registers are mapped. Writes must arrive in order (device memory).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef APACK_DRIVER_H
#define APACK_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "apack_memory_side.h"

#ifndef APACK_READ32
#define APACK_READ32(base, offset) (*(const volatile uint32_t *)((uintptr_t)(base) + (offset)))
#define APACK_WRITE32(base, offset, value) (*(volatile uint32_t *)((uintptr_t)(base) + (offset)) = (value))
#endif

/* Field of a register's value, and value of a field, by the names of apack_memory_side.h. */
#define APACK_GET(word, field) (((word) & field##_MASK) >> field##_SHIFT)
#define APACK_PUT(field, value) (((uint32_t)(value) << field##_SHIFT) & field##_MASK)

enum {
    APACK_OK = 0,
    APACK_ERROR_ID = -1,      /* there is no such block at this address, or one with another register map */
    APACK_ERROR_RANGE = -2,   /* an argument is out of this block's range */
    APACK_ERROR_FULL = -3,    /* the queue of jobs is full */
    APACK_ERROR_TIMEOUT = -4, /* it took longer than allowed */
};

enum { APACK_COMPRESS = 0, APACK_DECOMPRESS = 1 };
enum { APACK_PACKED = 0, APACK_SLOTS = 1 };

/* A block, and what it can do (the registers ENGINES to SIZES say the same). */
struct apack {
    void *base;
    unsigned engines, memory_bits, stream_bits;
    unsigned width, rows, prob_bits, mult_bits;
    unsigned longest_block, beat_values;
    unsigned queue, tables, address_bits;
};

struct apack_row {
    uint16_t v_min, count;
};

/* A job; see registers.md for its fields. */
struct apack_job {
    unsigned direction;          /* APACK_COMPRESS or APACK_DECOMPRESS */
    unsigned layout;             /* APACK_PACKED or APACK_SLOTS */
    unsigned dense, is_signed, overlap;
    unsigned table, width;
    uint16_t tag;
    uint32_t block, slot_bytes, length;
    uint64_t data_address, directory_address;
};

struct apack_result {
    unsigned direction;
    unsigned error;              /* APACK_RESULT_STATUS_ERROR_NONE, ..._DESCRIPTOR and so on */
    uint16_t tag;
    uint32_t block;
    uint64_t stored_bytes;
};

static inline uint32_t apack_read(const struct apack *block, uint32_t offset)
{
    return APACK_READ32(block->base, offset);
}

static inline void apack_write(const struct apack *block, uint32_t offset, uint32_t value)
{
    APACK_WRITE32(block->base, offset, value);
}

/* Find out what is at `base`. */
static inline int apack_probe(struct apack *block, void *base)
{
    uint32_t word;

    block->base = base;
    if (apack_read(block, APACK_ID) != APACK_ID_EXPECTED)
        return APACK_ERROR_ID;
    if (APACK_GET(apack_read(block, APACK_VERSION), APACK_VERSION_MAJOR) != APACK_MAP_MAJOR)
        return APACK_ERROR_ID;
    block->engines = APACK_GET(apack_read(block, APACK_ENGINES), APACK_ENGINES_ENGINES);
    word = apack_read(block, APACK_BUSES);
    block->memory_bits = APACK_GET(word, APACK_BUSES_MEMORY);
    block->stream_bits = APACK_GET(word, APACK_BUSES_STREAM);
    word = apack_read(block, APACK_CODEC);
    block->width = APACK_GET(word, APACK_CODEC_WIDTH);
    block->rows = APACK_GET(word, APACK_CODEC_ROWS);
    block->prob_bits = APACK_GET(word, APACK_CODEC_PROB_BITS);
    block->mult_bits = APACK_GET(word, APACK_CODEC_MULT_BITS);
    word = apack_read(block, APACK_BLOCK);
    block->longest_block = APACK_GET(word, APACK_BLOCK_LONGEST);
    block->beat_values = APACK_GET(word, APACK_BLOCK_BEAT);
    word = apack_read(block, APACK_SIZES);
    block->queue = APACK_GET(word, APACK_SIZES_QUEUE);
    block->tables = APACK_GET(word, APACK_SIZES_TABLES);
    block->address_bits = APACK_GET(word, APACK_SIZES_ADDRESS);
    return APACK_OK;
}

/* Begin jobs (on), or leave those in the queue there (off). */
static inline void apack_enable(const struct apack *block, int on)
{
    apack_write(block, APACK_CONTROL, APACK_PUT(APACK_CONTROL_ENABLE, on != 0));
}

/* End the job under way in a direction; it has its result as any other. */
static inline void apack_abort(const struct apack *block, unsigned direction)
{
    uint32_t enable = apack_read(block, APACK_CONTROL) & APACK_CONTROL_ENABLE_MASK;

    apack_write(block, APACK_CONTROL,
                enable | (direction == APACK_DECOMPRESS ? APACK_CONTROL_ABORT_DECOMPRESS_MASK
                                                        : APACK_CONTROL_ABORT_COMPRESS_MASK));
}

/* End all jobs and forget everything but tables; looks at most `polls` times whether it is done. */
static inline int apack_soft_reset(const struct apack *block, unsigned long polls)
{
    apack_write(block, APACK_CONTROL, APACK_CONTROL_SOFT_RESET_MASK);
    while (apack_read(block, APACK_CONTROL) & APACK_CONTROL_SOFT_RESET_MASK)
        if (polls-- == 0)
            return APACK_ERROR_TIMEOUT;
    return APACK_OK;
}

static inline void apack_write_row(const struct apack *block, uint32_t v_min, uint32_t count)
{
    apack_write(block, APACK_TABLE_ROW,
                APACK_PUT(APACK_TABLE_ROW_V_MIN, v_min) | APACK_PUT(APACK_TABLE_ROW_COUNT, count));
}

/* Load a table of `count` rows for values of `width` bits: empty rows, the rows, and where values are narrower than the
 * engines' a row that ends them. Not while a job that uses this table has no result yet. STATUS.row_refused tells of a
 * row whose values do not fit. */
static inline int apack_load_table(const struct apack *block, unsigned table, unsigned width,
                                   const struct apack_row *rows, size_t count)
{
    unsigned narrow = width < block->width;
    uint32_t total = 0;
    size_t i;

    if (table >= block->tables || width < 2 || width > block->width || count < 1 || count + narrow > block->rows)
        return APACK_ERROR_RANGE;
    for (i = 0; i < count; i++) {
        if (rows[i].v_min >> width || (i ? rows[i].v_min <= rows[i - 1].v_min : rows[i].v_min != 0))
            return APACK_ERROR_RANGE;
        total += rows[i].count;
    }
    if (total != UINT32_C(1) << block->prob_bits)
        return APACK_ERROR_RANGE;
    apack_write(block, APACK_TABLE_SELECT, APACK_PUT(APACK_TABLE_SELECT_TABLE, table));
    for (i = count + narrow; i < block->rows; i++)
        apack_write_row(block, 0, 0);
    for (i = 0; i < count; i++)
        apack_write_row(block, rows[i].v_min, rows[i].count);
    if (narrow)
        apack_write_row(block, UINT32_C(1) << width, 0);
    return APACK_OK;
}

/* Put a job into the queue. Its fields are checked by the hardware when its turn has come; what is not representable in
 * the registers is refused here. */
static inline int apack_push(const struct apack *block, const struct apack_job *job)
{
    if (job->table > 255 || job->width > 255 || job->block >> 20 || job->slot_bytes >> 24)
        return APACK_ERROR_RANGE;
    apack_write(block, APACK_JOB_FLAGS,
                APACK_PUT(APACK_JOB_FLAGS_DECOMPRESS, job->direction == APACK_DECOMPRESS)
                    | APACK_PUT(APACK_JOB_FLAGS_SLOTS, job->layout == APACK_SLOTS)
                    | APACK_PUT(APACK_JOB_FLAGS_DENSE, job->dense != 0)
                    | APACK_PUT(APACK_JOB_FLAGS_SIGNED, job->is_signed != 0)
                    | APACK_PUT(APACK_JOB_FLAGS_OVERLAP, job->overlap != 0));
    apack_write(block, APACK_JOB_FORMAT,
                APACK_PUT(APACK_JOB_FORMAT_WIDTH, job->width) | APACK_PUT(APACK_JOB_FORMAT_TABLE, job->table)
                    | APACK_PUT(APACK_JOB_FORMAT_TAG, job->tag));
    apack_write(block, APACK_JOB_BLOCK, job->block);
    apack_write(block, APACK_JOB_SLOT_BYTES, job->slot_bytes);
    apack_write(block, APACK_JOB_LENGTH, job->length);
    apack_write(block, APACK_JOB_DATA_LO, (uint32_t)job->data_address);
    apack_write(block, APACK_JOB_DATA_HI, (uint32_t)(job->data_address >> 32));
    apack_write(block, APACK_JOB_DIRECTORY_LO, (uint32_t)job->directory_address);
    apack_write(block, APACK_JOB_DIRECTORY_HI, (uint32_t)(job->directory_address >> 32));
    apack_write(block, APACK_JOB_PUSH, APACK_JOB_PUSH_PUSH_MASK);
    return APACK_GET(apack_read(block, APACK_STATUS), APACK_STATUS_PUSH_REFUSED) ? APACK_ERROR_FULL : APACK_OK;
}

/* Take the oldest result: 1 if there was one, 0 if not. */
static inline int apack_take_result(const struct apack *block, struct apack_result *result)
{
    uint32_t status = apack_read(block, APACK_RESULT_STATUS);

    if (!APACK_GET(status, APACK_RESULT_STATUS_VALID))
        return 0;
    result->direction = APACK_GET(status, APACK_RESULT_STATUS_DECOMPRESS);
    result->error = APACK_GET(status, APACK_RESULT_STATUS_ERROR);
    result->tag = (uint16_t)APACK_GET(status, APACK_RESULT_STATUS_TAG);
    result->block = apack_read(block, APACK_RESULT_BLOCK);
    result->stored_bytes = apack_read(block, APACK_RESULT_STORED_LO);
    result->stored_bytes |= (uint64_t)apack_read(block, APACK_RESULT_STORED_HI) << 32;
    apack_write(block, APACK_RESULT_POP, APACK_RESULT_POP_POP_MASK);
    return 1;
}

/* Wait for a result, looking at most `polls` times: APACK_OK or APACK_ERROR_TIMEOUT. */
static inline int apack_wait(const struct apack *block, struct apack_result *result, unsigned long polls)
{
    while (!apack_take_result(block, result))
        if (polls-- == 0)
            return APACK_ERROR_TIMEOUT;
    return APACK_OK;
}

/* A counter, by the offset of its low half (APACK_COMPRESS_VALUES_LO and so on). */
static inline uint64_t apack_counter(const struct apack *block, uint32_t offset)
{
    uint64_t low = apack_read(block, offset);

    return low | (uint64_t)apack_read(block, offset + 4) << 32;
}

#endif

/* An example: a tensor from the accelerator into memory, and back.
 *
 * To be called by a program of yours: there is no main() here.
 *
 * 100,000 values of 8 bits in blocks of 1,024, each in a slot of its own; the table is for values with a bell around 0.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "apack_driver.h"

#define PATIENCE 1000000ul /* looks at the result, until something must be wrong */

static const struct apack_row bell[] = {
    {0, 220},  {4, 150}, {8, 90},  {12, 60}, {16, 60},  {24, 30},  {32, 4},   {64, 1},
    {192, 1}, {224, 30}, {232, 60}, {240, 60}, {244, 258},
};

int example(void *registers, uint64_t data_address, uint64_t directory_address, uint64_t *stored_bytes);

/* Returns APACK_OK, a negative APACK_ERROR_..., or the positive error of a result. */
int example(void *registers, uint64_t data_address, uint64_t directory_address, uint64_t *stored_bytes)
{
    struct apack block;
    struct apack_result result;
    struct apack_job job = {
        .direction = APACK_COMPRESS, .layout = APACK_SLOTS, .table = 0, .width = 8, .tag = 1,
        .block = 1024, .slot_bytes = 1024, .length = 100000,
        .data_address = data_address, .directory_address = directory_address,
    };
    int error = apack_probe(&block, registers);

    if (error)
        return error;
    error = apack_load_table(&block, 0, 8, bell, sizeof bell / sizeof bell[0]);
    if (error)
        return error;
    apack_enable(&block, 1);

    /* The accelerator sends the tensor on s_axis: 100,000 values, TLAST with the last. */
    error = apack_push(&block, &job);
    if (!error)
        error = apack_wait(&block, &result, PATIENCE);
    if (error || result.error)
        return error ? error : (int)result.error;
    *stored_bytes = result.stored_bytes; /* what went over the bus, besides 8 bytes a block */

    /* And back, on m_axis. The same description: only the direction differs. */
    job.direction = APACK_DECOMPRESS;
    job.is_signed = 1;
    job.tag = 2;
    error = apack_push(&block, &job);
    if (!error)
        error = apack_wait(&block, &result, PATIENCE);
    return error ? error : (int)result.error;
}

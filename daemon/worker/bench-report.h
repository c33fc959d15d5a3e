/*
 * What a benchmark finds out, as lines of JSON on stdout:
 *
 *     {"type":"progress","stage":"inference","model":"bitnet-7b","done":120,
 *      "total":1000}
 *     {"type":"machine","version":"0.1.0","tier":"avx512","cpu":"AMD Ryzen ...",...}
 *     {"type":"read","threads":2,"pages":"huge","streams":4,"prefetch":1024,"gbps":20.1}
 *     {"type":"roof","threads":2,"gbps":20.1,"i8_gops":1260,"f32_gops":310}
 *     {"type":"note","model":"rwkv7-7.2b","text":"cut to 20 of 32 layers: ..."}
 *     {"type":"figure","suite":"inference","model":"bitnet-7b","weights":"TQ2_0 as T2, head F16",
 *      "name":"decode","n":1,"threads":2,"value":7.1,"unit":"tokens/s","samples":20,"seconds":0.14,
 *      "seconds_least":0.13,"seconds_most":0.2,"bytes":1.9e9,"i8_operations":...,
 *      "f32_operations":...,"gbps":14.2,"gops":96,"limit_gbps":17.5,"limit_i8_gops":1190,
 *      "limit_f32_gops":301,"limit_seconds":0.11,"percent":81,"bound":"memory"}
 *
 * `seconds` is the median of the samples, and all that follows from it stands only where there are
 * samples; `bytes` and what follows only where there is a limit to be near to: limit_gbps and the
 * gops are what the machine gave in turns with the figure (medians), limit_seconds is the least
 * time by them, `percent` that time over the measured one. A "roof" is the best that the machine
 * gave to so many threads; one that is told again for as many is a better one. The one line
 * {"type":"done"} is the last.
 */
#pragma once

#include "engine/bench/report.h"

/* Lines go to stdout; a reader that has gone, or SIGINT or SIGTERM, cancels. */
void bench_report_init(struct Report *report);
void bench_report_machine(void);
/* What progress is of from here on; "": the machine. The string stays the caller's. */
void bench_report_model(const char *name);
void bench_report_note(const char *model, const char *text);
void bench_report_done(void);

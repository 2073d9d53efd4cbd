#pragma once

/* What Config/release built the program from; NULL for what is not known, as in every debug build. */

/* The commit's id in hexadecimal; with -modified at the end if a file differed from it. */
const char *clinux_build_commit(void);

/* The time of that commit in UTC (RFC 3339), or the one that the packager gave in SOURCE_DATE_EPOCH. */
const char *clinux_build_date(void);

/* The Swift compiler. */
const char *clinux_build_compiler(void);

/* The Swift packages: name=version, separated by commas. */
const char *clinux_build_dependencies(void);

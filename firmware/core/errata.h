// What the silicon does otherwise than its datasheet says, each in a function of its own.
// Source: Semtech, "SX1276/77/78 Errata Note", revision 1, September 2013.
#ifndef ERRATA_H
#define ERRATA_H

#include "settings.h"

// Section 2.1: sensitivity with a bandwidth of 500 kHz. Sets RegHighBwOptimize1 and 2.
void erratum_2_1_wide_bandwidth(const struct settings *settings);

// Section 2.3: the receiver hears ghosts at the intermediate frequency. Sets RegDetectOptimize,
// RegIfFreq1 and RegIfFreq2; returns how many Hz above its channel the receiver must be tuned.
uint16_t erratum_2_3_spurious_reception(const struct settings *settings);

#endif

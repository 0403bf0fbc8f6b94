#ifndef MAFIN_PEAK_H
#define MAFIN_PEAK_H

/// Floating-point operations a second of processor time that fused multiply-adds in registers reach on the calling thread, with the widest vectors
/// that the processor has: no program that multiplies 32-bit floats is faster. Takes about `seconds`.
double mafin_peak(double seconds);

#endif

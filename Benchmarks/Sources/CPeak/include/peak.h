#ifndef MAFIN_PEAK_H
#define MAFIN_PEAK_H

/// Floating-point operations per second of processor time with fused multiply-adds in registers, on the calling thread
/// and with the widest vectors of the processor. No program that multiplies 32-bit floats is faster. Takes about
/// `seconds`.
double mafin_peak(double seconds);

#endif

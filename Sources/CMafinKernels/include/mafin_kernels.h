#ifndef MAFIN_KERNELS_H
#define MAFIN_KERNELS_H
#endif

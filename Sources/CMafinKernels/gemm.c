#include "mafin_kernels.h"

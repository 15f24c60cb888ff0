/* Only a header: a target of this kind needs a source. */
#include "header_types.h"

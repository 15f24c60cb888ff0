/* Only a header: a target of this kind needs a source. */
#include "vidtwin.h"

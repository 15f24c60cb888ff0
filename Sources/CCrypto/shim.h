#pragma once
// SHA-256 by itself: OpenSSL's way through its providers brings all of libcrypto into what links it
// statically. These functions stay, though they are called deprecated.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

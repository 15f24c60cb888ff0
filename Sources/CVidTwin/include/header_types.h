/* The type of a pointer to each function of vidtwin.h, as that header declares it; not installed. */
#ifndef HEADER_TYPES_H
#define HEADER_TYPES_H

#include "vidtwin.h"

typedef __typeof__(&vidtwin_api_version) vidtwin_api_version_type;
typedef __typeof__(&vidtwin_version) vidtwin_version_type;
typedef __typeof__(&vidtwin_status_text) vidtwin_status_text_type;
typedef __typeof__(&vidtwin_model_options_default) vidtwin_model_options_default_type;
typedef __typeof__(&vidtwin_model_open) vidtwin_model_open_type;
typedef __typeof__(&vidtwin_model_close) vidtwin_model_close_type;
typedef __typeof__(&vidtwin_model_get_info) vidtwin_model_get_info_type;
typedef __typeof__(&vidtwin_model_get_identity) vidtwin_model_get_identity_type;
typedef __typeof__(&vidtwin_session_options_default) vidtwin_session_options_default_type;
typedef __typeof__(&vidtwin_session_open) vidtwin_session_open_type;
typedef __typeof__(&vidtwin_session_close) vidtwin_session_close_type;
typedef __typeof__(&vidtwin_session_send) vidtwin_session_send_type;
typedef __typeof__(&vidtwin_session_receive) vidtwin_session_receive_type;
typedef __typeof__(&vidtwin_session_flush) vidtwin_session_flush_type;
typedef __typeof__(&vidtwin_session_reset) vidtwin_session_reset_type;
typedef __typeof__(&vidtwin_session_encode) vidtwin_session_encode_type;
typedef __typeof__(&vidtwin_session_moments) vidtwin_session_moments_type;
typedef __typeof__(&vidtwin_session_decode) vidtwin_session_decode_type;
typedef __typeof__(&vidtwin_session_cross) vidtwin_session_cross_type;

#endif

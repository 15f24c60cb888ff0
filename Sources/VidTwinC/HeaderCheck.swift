import CVidTwin

/// Each function as a pointer of the type that the header declares. That this compiles is the check,
/// at every build, as `@_cdecl` compares nothing; a test looks that none is left out.
private func checkAgainstHeader() {
    let api_version: vidtwin_api_version_type = vidtwin_api_version
    let version: vidtwin_version_type = vidtwin_version
    let status_text: vidtwin_status_text_type = vidtwin_status_text
    let model_options_default: vidtwin_model_options_default_type = vidtwin_model_options_default
    let model_open: vidtwin_model_open_type = vidtwin_model_open
    let model_close: vidtwin_model_close_type = vidtwin_model_close
    let model_get_info: vidtwin_model_get_info_type = vidtwin_model_get_info
    let session_options_default: vidtwin_session_options_default_type =
        vidtwin_session_options_default
    let session_open: vidtwin_session_open_type = vidtwin_session_open
    let session_close: vidtwin_session_close_type = vidtwin_session_close
    let session_send: vidtwin_session_send_type = vidtwin_session_send
    let session_receive: vidtwin_session_receive_type = vidtwin_session_receive
    let session_flush: vidtwin_session_flush_type = vidtwin_session_flush
    let session_reset: vidtwin_session_reset_type = vidtwin_session_reset
    let session_encode: vidtwin_session_encode_type = vidtwin_session_encode
    let session_decode: vidtwin_session_decode_type = vidtwin_session_decode
    let session_cross: vidtwin_session_cross_type = vidtwin_session_cross
    _ = (
        api_version,
        version,
        status_text,
        model_options_default,
        model_open,
        model_close,
        model_get_info,
        session_options_default,
        session_open,
        session_close,
        session_send,
        session_receive,
        session_flush,
        session_reset,
        session_encode,
        session_decode,
        session_cross
    )
}

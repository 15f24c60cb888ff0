import CVidTwin

/// Each function as a pointer of the type that the header declares. That this compiles is the check,
/// at every build, as `@_cdecl` compares nothing; a test looks that none is left out. The Swift names
/// are not the header's: the compiler would choose between the two functions, and take what fits.
private func checkAgainstHeader() {
    let api_version: vidtwin_api_version_type = apiVersion
    let version: vidtwin_version_type = version
    let status_text: vidtwin_status_text_type = statusText
    let model_options_default: vidtwin_model_options_default_type = modelOptionsDefault
    let model_open: vidtwin_model_open_type = modelOpen
    let model_close: vidtwin_model_close_type = modelClose
    let model_get_info: vidtwin_model_get_info_type = modelGetInfo
    let session_options_default: vidtwin_session_options_default_type = sessionOptionsDefault
    let session_open: vidtwin_session_open_type = sessionOpen
    let session_close: vidtwin_session_close_type = sessionClose
    let session_send: vidtwin_session_send_type = sessionSend
    let session_receive: vidtwin_session_receive_type = sessionReceive
    let session_flush: vidtwin_session_flush_type = sessionFlush
    let session_reset: vidtwin_session_reset_type = sessionReset
    let session_encode: vidtwin_session_encode_type = sessionEncode
    let session_decode: vidtwin_session_decode_type = sessionDecode
    let session_cross: vidtwin_session_cross_type = sessionCross
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

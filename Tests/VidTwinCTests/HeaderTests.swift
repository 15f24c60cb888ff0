import CVidTwin
import CVidTwinTypes
import Testing
import VidTwin
import VidTwinTestSupport
import func VidTwinC.vidtwin_api_version
import func VidTwinC.vidtwin_version
import func VidTwinC.vidtwin_status_text
import func VidTwinC.vidtwin_model_options_default
import func VidTwinC.vidtwin_model_open
import func VidTwinC.vidtwin_model_close
import func VidTwinC.vidtwin_model_get_info
import func VidTwinC.vidtwin_session_options_default
import func VidTwinC.vidtwin_session_open
import func VidTwinC.vidtwin_session_close
import func VidTwinC.vidtwin_session_send
import func VidTwinC.vidtwin_session_receive
import func VidTwinC.vidtwin_session_flush
import func VidTwinC.vidtwin_session_reset
import func VidTwinC.vidtwin_session_encode
import func VidTwinC.vidtwin_session_decode
import func VidTwinC.vidtwin_session_cross

/// Each Swift function as a pointer of the type that the header declares: that this compiles is the
/// check, as `@_cdecl` compares nothing.
private let functions: [(name: String, isSet: Bool)] = {
    var functions: [(String, Bool)] = []
    let api_version: vidtwin_api_version_type = vidtwin_api_version
    functions.append(("vidtwin_api_version", api_version != nil))
    let version: vidtwin_version_type = vidtwin_version
    functions.append(("vidtwin_version", version != nil))
    let status_text: vidtwin_status_text_type = vidtwin_status_text
    functions.append(("vidtwin_status_text", status_text != nil))
    let model_options_default: vidtwin_model_options_default_type = vidtwin_model_options_default
    functions.append(("vidtwin_model_options_default", model_options_default != nil))
    let model_open: vidtwin_model_open_type = vidtwin_model_open
    functions.append(("vidtwin_model_open", model_open != nil))
    let model_close: vidtwin_model_close_type = vidtwin_model_close
    functions.append(("vidtwin_model_close", model_close != nil))
    let model_get_info: vidtwin_model_get_info_type = vidtwin_model_get_info
    functions.append(("vidtwin_model_get_info", model_get_info != nil))
    let session_options_default: vidtwin_session_options_default_type =
        vidtwin_session_options_default
    functions.append(("vidtwin_session_options_default", session_options_default != nil))
    let session_open: vidtwin_session_open_type = vidtwin_session_open
    functions.append(("vidtwin_session_open", session_open != nil))
    let session_close: vidtwin_session_close_type = vidtwin_session_close
    functions.append(("vidtwin_session_close", session_close != nil))
    let session_send: vidtwin_session_send_type = vidtwin_session_send
    functions.append(("vidtwin_session_send", session_send != nil))
    let session_receive: vidtwin_session_receive_type = vidtwin_session_receive
    functions.append(("vidtwin_session_receive", session_receive != nil))
    let session_flush: vidtwin_session_flush_type = vidtwin_session_flush
    functions.append(("vidtwin_session_flush", session_flush != nil))
    let session_reset: vidtwin_session_reset_type = vidtwin_session_reset
    functions.append(("vidtwin_session_reset", session_reset != nil))
    let session_encode: vidtwin_session_encode_type = vidtwin_session_encode
    functions.append(("vidtwin_session_encode", session_encode != nil))
    let session_decode: vidtwin_session_decode_type = vidtwin_session_decode
    functions.append(("vidtwin_session_decode", session_decode != nil))
    let session_cross: vidtwin_session_cross_type = vidtwin_session_cross
    functions.append(("vidtwin_session_cross", session_cross != nil))
    return functions
}()

@Suite struct `the C interface` {
    @Test func `every function of the header is a Swift function of its type`() {
        #expect(functions.allSatisfy(\.isSet))
        let header = String(
            decoding: Fixtures.bytes(
                "\(Fixtures.repository)/Sources/CVidTwin/include/vidtwin.h"), as: UTF8.self)
        // A declaration's name stands before a parenthesis, outside of comments.
        var declared: Set<Substring> = []
        var inside = false
        for line in header.split(separator: "\n") {
            if line.contains("/*") { inside = true }
            if !inside, let end = line.firstIndex(of: "("), !line.hasPrefix("#"),
                !line.hasPrefix("typedef")
            {
                let name = line[..<end].split(whereSeparator: { $0 == " " || $0 == "*" }).last
                if let name, name.hasPrefix("vidtwin_") { declared.insert(name) }
            }
            if line.contains("*/") { inside = false }
        }
        #expect(declared == Set(functions.map { Substring($0.name) }))
        #expect(declared.count >= 17)
    }

    @Test func `structures have the size that C gives them`() {
        #expect(MemoryLayout<vidtwin_model_options>.stride == 56)
        #expect(MemoryLayout<vidtwin_session_options>.stride == 48)
        #expect(MemoryLayout<vidtwin_frame>.stride == 72)
        #expect(MemoryLayout<vidtwin_latents>.stride == 48)
        #expect(MemoryLayout<vidtwin_model_info>.stride == 80)
    }
}

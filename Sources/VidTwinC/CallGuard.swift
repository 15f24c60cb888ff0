import CVidTwin
import TensorFiles
import VidTwin
import VidTwinKernels

/// What is wrong with a call, as opposed to a model or its data.
struct CallError: Error, CustomStringConvertible {
    let status: vidtwin_status
    let description: String

    static func argument(_ what: String, expected: String, found: String) -> CallError {
        CallError(
            status: VIDTWIN_ERROR_ARGUMENT,
            description: "\(what): expected \(expected), found \(found)")
    }

    static func null(_ what: String) -> CallError {
        argument(what, expected: "a pointer", found: "NULL")
    }

    static let inUse = CallError(
        status: VIDTWIN_ERROR_STATE,
        description: "session: expected one call at a time, found it in use by another call")

    static let leftBehind = CallError(
        status: VIDTWIN_ERROR_STATE,
        description:
            "session: expected one that was at rest when the process forked, found it in use "
            + "by a thread of the parent; open another")
}

/// The caller's buffer for a text.
struct MessageBuffer {
    let pointer: UnsafeMutablePointer<CChar>?
    let capacity: Int

    init(_ pointer: UnsafeMutablePointer<CChar>?, _ capacity: Int) {
        // A `size_t` beyond Int.max arrives as a negative number.
        (self.pointer, self.capacity) = (pointer, capacity < 0 ? Int.max : capacity)
    }

    /// Writes a text, cut at a whole character, and its end.
    func write(_ text: String) {
        guard let pointer, capacity > 0 else { return }
        var (text, used) = (text, 0)
        text.withUTF8 { utf8 in
            used = min(utf8.count, capacity - 1)
            if used < utf8.count {
                while used > 0 && utf8[used] & 0xc0 == 0x80 { used -= 1 }
            }
            for i in 0..<used { pointer[i] = CChar(bitPattern: utf8[i]) }
        }
        pointer[used] = 0
    }
}

/// Runs the body of a call: an error becomes a status and a text.
func guarded(
    _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int,
    _ body: () throws -> vidtwin_status
) -> vidtwin_status {
    let buffer = MessageBuffer(message, capacity)
    do {
        let status = try FloatEnvironment.normal(body)
        buffer.write("")
        return status
    } catch {
        buffer.write("\(error)")
        return status(of: error)
    }
}

/// The status that goes with an error.
func status(of error: any Error) -> vidtwin_status {
    switch error {
    case let error as CallError: error.status
    case let error as ModelError:
        switch error {
        case .configuration, .notFound, .weights: VIDTWIN_ERROR_MODEL
        case .memory: VIDTWIN_ERROR_MEMORY
        case .precision: VIDTWIN_ERROR_UNSUPPORTED
        case .computation: VIDTWIN_ERROR_INTERNAL
        case .nonFinite: VIDTWIN_ERROR_DATA
        case .shape: VIDTWIN_ERROR_ARGUMENT
        }
    case is CheckpointError: VIDTWIN_ERROR_MODEL
    default: VIDTWIN_ERROR_INTERNAL
    }
}

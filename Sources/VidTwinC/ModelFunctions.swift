public import CVidTwin
import VidTwin

// The functions of vidtwin.h, which says what they do; thin, so that nothing is decided here.

/// See vidtwin.h.
@_cdecl("vidtwin_api_version")
public func apiVersion() -> UInt32 {
    UInt32(VIDTWIN_API_MAJOR) << 16 | UInt32(VIDTWIN_API_MINOR)
}

/// See vidtwin.h.
@_cdecl("vidtwin_version")
public func version() -> UnsafePointer<CChar>? { Release.version.cString }

/// See vidtwin.h.
@_cdecl("vidtwin_status_text")
public func statusText(_ status: vidtwin_status) -> UnsafePointer<CChar>? {
    let text: StaticString =
        switch status {
        case VIDTWIN_OK: "done"
        case VIDTWIN_AGAIN: "the other side of the stream comes first"
        case VIDTWIN_END: "end of the stream"
        case VIDTWIN_ERROR_ARGUMENT: "an argument makes no sense"
        case VIDTWIN_ERROR_MODEL: "no model, or one that is damaged or does not fit"
        case VIDTWIN_ERROR_DATA: "NaN or infinity among the data"
        case VIDTWIN_ERROR_MEMORY: "not enough memory"
        case VIDTWIN_ERROR_STATE: "not possible in this state"
        case VIDTWIN_ERROR_UNSUPPORTED: "not in this version"
        case VIDTWIN_ERROR_INTERNAL: "a fault of the library"
        default: "unknown status"
        }
    return text.cString
}

/// See vidtwin.h.
@_cdecl("vidtwin_model_options_default")
public func modelOptionsDefault(
    _ options: UnsafeMutablePointer<vidtwin_model_options>?, _ size: Int
) -> vidtwin_status {
    guarded(nil, 0) {
        guard let options else { throw CallError.null("options") }
        try vidtwin_model_options().write(to: options, size: size)
        return VIDTWIN_OK
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_model_open")
public func modelOpen(
    _ model: UnsafeMutablePointer<OpaquePointer?>?,
    _ options: UnsafePointer<vidtwin_model_options>?, _ message: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> vidtwin_status {
    model?.pointee = nil
    return guarded(message, capacity) {
        guard let model else { throw CallError.null("model") }
        let handle = try ModelHandle(
            options.map(vidtwin_model_options.read) ?? vidtwin_model_options())
        model.pointee = Handle.make(handle)
        return VIDTWIN_OK
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_model_close")
public func modelClose(_ model: UnsafeMutablePointer<OpaquePointer?>?) {
    Handle.close(model, ModelHandle.self)
}

/// See vidtwin.h.
@_cdecl("vidtwin_model_get_info")
public func modelGetInfo(
    _ model: OpaquePointer?, _ info: UnsafeMutablePointer<vidtwin_model_info>?
) -> vidtwin_status {
    guarded(nil, 0) {
        guard let info else { throw CallError.null("info") }
        let handle = try Handle.use(model, "model", ModelHandle.self)
        try handle.information.fill(info)
        return VIDTWIN_OK
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_model_get_identity")
public func modelGetIdentity(
    _ model: OpaquePointer?, _ identity: UnsafeMutablePointer<vidtwin_model_identity>?,
    _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        guard let identity else { throw CallError.null("identity") }
        let handle = try Handle.use(model, "model", ModelHandle.self)
        try vidtwin_model_identity.check(identity)  // before anything is read
        try handle.identity.read().fill(identity)
        return VIDTWIN_OK
    }
}

/// Objects as C sees them.
enum Handle {
    static func make(_ object: AnyObject) -> OpaquePointer {
        OpaquePointer(Unmanaged.passRetained(object).toOpaque())
    }

    /// The object, which is kept until the caller of this is done with it.
    static func use<Object: AnyObject>(
        _ pointer: OpaquePointer?, _ what: String, _ type: Object.Type
    ) throws -> Object {
        guard let pointer else { throw CallError.null(what) }
        return Unmanaged<Object>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    /// Lets go of the object, unless it is one that may not be touched.
    static func close<Object: AnyObject>(
        _ pointer: UnsafeMutablePointer<OpaquePointer?>?, _ type: Object.Type,
        if may: (Object) -> Bool = { _ in true }
    ) {
        guard let pointer, let handle = pointer.pointee else { return }
        pointer.pointee = nil
        let object = Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle))
        if may(object.takeUnretainedValue()) { object.release() }
    }
}

extension StaticString {
    /// The text as a C string, for ever.
    var cString: UnsafePointer<CChar> {
        UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

/// Each function as a pointer of the type that the header declares. That this compiles is the check,
/// at every build, as `@_cdecl` compares nothing; a test looks that none is left out. It stands in the
/// functions' own file: another one's object would carry their symbols again. The Swift names are not
/// the header's: the compiler would choose between the two functions, and take what fits.
private func checkAgainstHeader() {
    let api_version: vidtwin_api_version_type = apiVersion
    let version: vidtwin_version_type = version
    let status_text: vidtwin_status_text_type = statusText
    let model_options_default: vidtwin_model_options_default_type = modelOptionsDefault
    let model_open: vidtwin_model_open_type = modelOpen
    let model_close: vidtwin_model_close_type = modelClose
    let model_get_info: vidtwin_model_get_info_type = modelGetInfo
    let model_get_identity: vidtwin_model_get_identity_type = modelGetIdentity
    _ = (
        api_version,
        version,
        status_text,
        model_options_default,
        model_open,
        model_close,
        model_get_info,
        model_get_identity
    )
}

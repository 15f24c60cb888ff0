public import CVidTwin

// The functions of vidtwin.h, which says what they do; thin, so that nothing is decided here.

/// See vidtwin.h.
@_cdecl("vidtwin_session_options_default")
public func sessionOptionsDefault(
    _ options: UnsafeMutablePointer<vidtwin_session_options>?, _ size: Int
) -> vidtwin_status {
    guarded(nil, 0) {
        guard let options else { throw CallError.null("options") }
        try vidtwin_session_options().write(to: options, size: size)
        return VIDTWIN_OK
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_open")
public func sessionOpen(
    _ session: UnsafeMutablePointer<OpaquePointer?>?, _ model: OpaquePointer?,
    _ options: UnsafePointer<vidtwin_session_options>?, _ message: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> vidtwin_status {
    session?.pointee = nil
    return guarded(message, capacity) {
        guard let session else { throw CallError.null("session") }
        let handle = try SessionHandle(
            Handle.use(model, "model", ModelHandle.self).model,
            options.map(vidtwin_session_options.read) ?? vidtwin_session_options())
        session.pointee = Handle.make(handle)
        return VIDTWIN_OK
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_close")
public func sessionClose(_ session: UnsafeMutablePointer<OpaquePointer?>?) {
    Handle.close(session, SessionHandle.self) { !$0.isLeftBehind }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_send")
public func sessionSend(
    _ session: OpaquePointer?, _ frame: UnsafePointer<vidtwin_frame>?,
    _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        guard let frame else { throw CallError.null("frame") }
        return try Handle.use(session, "session", SessionHandle.self).send(frame.pointee)
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_receive")
public func sessionReceive(
    _ session: OpaquePointer?, _ frame: UnsafeMutablePointer<vidtwin_frame>?,
    _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        guard let frame else { throw CallError.null("frame") }
        return try Handle.use(session, "session", SessionHandle.self).receive(into: frame)
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_flush")
public func sessionFlush(
    _ session: OpaquePointer?, _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        try Handle.use(session, "session", SessionHandle.self).flush()
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_reset")
public func sessionReset(
    _ session: OpaquePointer?, _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        try Handle.use(session, "session", SessionHandle.self).reset()
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_encode")
public func sessionEncode(
    _ session: OpaquePointer?, _ frames: UnsafePointer<vidtwin_frame>?, _ count: Int,
    _ latents: UnsafeMutablePointer<vidtwin_latents>?, _ message: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        guard let frames else { throw CallError.null("frames") }
        guard let latents else { throw CallError.null("latents") }
        let session = try Handle.use(session, "session", SessionHandle.self)
        return try session.encode(
            frames, count, into: LatentMemory(latents.pointee, for: session.model.configuration))
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_moments")
public func sessionMoments(
    _ session: OpaquePointer?, _ frames: UnsafePointer<vidtwin_frame>?, _ count: Int,
    _ mean: UnsafeMutablePointer<vidtwin_latents>?,
    _ logVariance: UnsafeMutablePointer<vidtwin_latents>?, _ message: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        guard let frames else { throw CallError.null("frames") }
        guard let mean else { throw CallError.null("mean") }
        guard let logVariance else { throw CallError.null("log_variance") }
        let session = try Handle.use(session, "session", SessionHandle.self)
        let configuration = session.model.configuration
        return try session.moments(
            frames, count, mean: LatentMemory(mean.pointee, "mean", for: configuration),
            logVariance: LatentMemory(logVariance.pointee, "log_variance", for: configuration))
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_decode")
public func sessionDecode(
    _ session: OpaquePointer?, _ latents: UnsafePointer<vidtwin_latents>?,
    _ frames: UnsafeMutablePointer<vidtwin_frame>?, _ count: Int,
    _ message: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        guard let latents else { throw CallError.null("latents") }
        guard let frames else { throw CallError.null("frames") }
        let session = try Handle.use(session, "session", SessionHandle.self)
        return try session.decode(
            LatentMemory(latents.pointee, for: session.model.configuration), into: frames, count)
    }
}

/// See vidtwin.h.
@_cdecl("vidtwin_session_cross")
public func sessionCross(
    _ session: OpaquePointer?, _ structure: UnsafePointer<vidtwin_frame>?, _ structureCount: Int,
    _ dynamics: UnsafePointer<vidtwin_frame>?, _ dynamicsCount: Int,
    _ frames: UnsafeMutablePointer<vidtwin_frame>?, _ message: UnsafeMutablePointer<CChar>?,
    _ capacity: Int
) -> vidtwin_status {
    guarded(message, capacity) {
        guard let structure else { throw CallError.null("structure") }
        guard let dynamics else { throw CallError.null("dynamics") }
        guard let frames else { throw CallError.null("frames") }
        return try Handle.use(session, "session", SessionHandle.self)
            .cross((structure, structureCount), (dynamics, dynamicsCount), into: frames)
    }
}

/// Each function as a pointer of the type that the header declares. That this compiles is the check,
/// at every build, as `@_cdecl` compares nothing; a test looks that none is left out. It stands in the
/// functions' own file: another one's object would carry their symbols again. The Swift names are not
/// the header's: the compiler would choose between the two functions, and take what fits.
private func checkAgainstHeader() {
    let session_options_default: vidtwin_session_options_default_type = sessionOptionsDefault
    let session_open: vidtwin_session_open_type = sessionOpen
    let session_close: vidtwin_session_close_type = sessionClose
    let session_send: vidtwin_session_send_type = sessionSend
    let session_receive: vidtwin_session_receive_type = sessionReceive
    let session_flush: vidtwin_session_flush_type = sessionFlush
    let session_reset: vidtwin_session_reset_type = sessionReset
    let session_encode: vidtwin_session_encode_type = sessionEncode
    let session_moments: vidtwin_session_moments_type = sessionMoments
    let session_decode: vidtwin_session_decode_type = sessionDecode
    let session_cross: vidtwin_session_cross_type = sessionCross
    _ = (
        session_options_default,
        session_open,
        session_close,
        session_send,
        session_receive,
        session_flush,
        session_reset,
        session_encode,
        session_moments,
        session_decode,
        session_cross
    )
}

import CVidTwin
import TensorFiles
import VidTwin

/// A caller's log callback and what it is called with.
///
/// The caller promises that it may be called on every thread that the handle is used on.
struct HostLog: @unchecked Sendable {
    private let callback: vidtwin_log_callback?
    private let user: UnsafeMutableRawPointer?

    init(_ callback: vidtwin_log_callback?, _ user: UnsafeMutableRawPointer?) {
        (self.callback, self.user) = (callback, user)
    }

    func notice(_ text: @autoclosure () -> String) { log(VIDTWIN_LOG_NOTICE, text) }
    func debug(_ text: @autoclosure () -> String) { log(VIDTWIN_LOG_DEBUG, text) }

    private func log(_ level: Int, _ text: () -> String) {
        guard let callback else { return }
        text().withCString { callback(user, Int32(level), $0) }
    }
}

/// What a `vidtwin_model` points to.
final class ModelHandle: Sendable {
    let model: VidTwinModel
    let identity: ModelIdentity

    init(_ options: vidtwin_model_options) throws {
        guard (0...1024).contains(options.threads) else {
            throw CallError.argument(
                "threads", expected: "1 to 1024, or 0 for all CPUs", found: "\(options.threads)")
        }
        let precision = try ModelHandle.precision(options.precision)
        let opened = try ModelHandle.open(options)
        identity = ModelIdentity(opened)
        let log = HostLog(options.log, options.log_user)
        for note in opened.notes { log.notice(note) }
        try opened.configuration.checkWorkingMemory()
        model = try opened.model(
            device: Device(threads: options.threads == 0 ? nil : Int(options.threads)),
            precision: precision)
        log.debug(
            "\(opened.files.checkpoint): \(model.parameterCount) weights, \(precision.means), "
                + "\(model.device.threads) threads")
    }

    private static func open(_ options: vidtwin_model_options) throws -> OpenedModel {
        let config = options.config.map { String(path: $0) }
        let checkpoint = options.checkpoint.map { String(path: $0) }
        let name = options.model.map { String(path: $0) }
        guard (0...1).contains(options.copy_weights) else {
            throw CallError.argument(
                "copy_weights", expected: "0 or 1", found: "\(options.copy_weights)")
        }
        let copied = options.copy_weights == 1
        if let name, config != nil || checkpoint != nil {
            throw CallError.argument(
                "model", expected: "NULL beside config and checkpoint", found: name)
        }
        guard let checkpoint else {
            if let config {
                throw CallError.argument(
                    "config and checkpoint", expected: "both", found: "config alone, \(config)")
            }
            return try OpenedModel(ModelFiles(chosen: name), copied: copied)
        }
        if let config {
            return try OpenedModel(
                ModelFiles(configuration: config, checkpoint: checkpoint), copied: copied)
        }
        guard let opened = try OpenedModel(checkpoint: checkpoint, copied: copied) else {
            throw CallError.argument(
                "config and checkpoint", expected: "both, or a checkpoint with its configuration",
                found: "\(checkpoint), which carries none and has none of its name beside it")
        }
        return opened
    }

    private static func precision(_ value: Int32) throws -> Precision {
        switch Int(value) {
        case VIDTWIN_PRECISION_AUTO: return .automatic
        case VIDTWIN_PRECISION_F32: return .float32
        case VIDTWIN_PRECISION_BF16: return .bfloat16
        case VIDTWIN_PRECISION_INT8: return .int8
        default: throw CallError.argument("precision", expected: "0 to 3", found: "\(value)")
        }
    }

    private static func value(of precision: Precision) -> Int {
        switch precision {
        case .float32: VIDTWIN_PRECISION_F32
        case .bfloat16: VIDTWIN_PRECISION_BF16
        case .int8: VIDTWIN_PRECISION_INT8
        }
    }

    /// What `vidtwin_model_get_info` writes.
    var information: vidtwin_model_info {
        let c = model.configuration
        var info = vidtwin_model_info()
        (info.width, info.height) = (Int32(c.width), Int32(c.height))
        info.clip_frames = Int32(c.frames)
        info.threads = Int32(model.device.threads)
        info.precision = Int32(ModelHandle.value(of: model.precision))
        info.weights = Int64(model.parameterCount)
        let (s, x, y) = (
            c.structureShape.map(Int32.init), c.dynamicsXShape.map(Int32.init),
            c.dynamicsYShape.map(Int32.init)
        )
        info.structure_shape = (s[0], s[1], s[2], s[3])
        info.dynamics_x_shape = (x[0], x[1], x[2])
        info.dynamics_y_shape = (y[0], y[1], y[2])
        return info
    }
}

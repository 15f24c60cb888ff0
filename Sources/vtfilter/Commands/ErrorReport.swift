import ArgumentParser
import LatentIO
import TensorFiles
import VidTwin
import VidTwinTraining
import VideoIO

/// The line and the exit status of every error.
extension ExitStatus {
    /// Says what happened on standard error (help and version on standard output) and returns the
    /// status to exit with.
    static func report(_ error: any Error) -> Int32 {
        switch error {
        case VideoIOError.cancelled, LatentError.cancelled: return Interruption.status
        case NewFileError.cancelled: return Interruption.status
        case let error as NewFileError:
            Log.error("\(error)")
            if case .refused = error { return usage }
            return failure
        case let error as UsageError:
            Log.error("\(error)")
            return usage
        case let error as VideoIOError:
            Log.error("\(error)")
            switch error {
            case .usage: return usage
            case .badInput: return badInput
            case .failure, .brokenPipe, .cancelled: return failure
            }
        case let error as ModelError:
            Log.error(error.isSummary ? "\(error) (-v lists all)" : "\(error)")
            for line in error.details { Log.debug(line) }
            switch error {
            case .configuration, .notFound, .weights, .precision: return badModel
            case .memory, .computation, .nonFinite, .shape: return failure
            }
        case let error as CheckpointError:
            Log.error("\(error)")
            if case .unwritable = error { return failure }
            return badModel
        case let error as LatentError:
            Log.error("\(error)")
            switch error {
            case .malformed, .truncated: return badInput
            case .failure, .brokenPipe, .cancelled: return failure
            }
        case let error as ForeignLatents:
            Log.error("\(error)")
            return badModel
        case let error as MetricError:
            Log.error("\(error)")
            if case .weights = error { return badModel }
            return badInput
        case let error as TrainingError:
            Log.error("\(error)")
            switch error {
            case .data, .resume: return badModel
            case .nonFinite, .failure: return failure
            case .process(_, _, let status): return status
            }
        case let error as Interrupted:
            return 128 + error.signal
        case let code as ExitCode:  // everything was said already
            return code.rawValue
        default:
            let code = VTFilter.exitCode(for: error)
            let text = VTFilter.fullMessage(for: error)
            if code == .success {
                if text.isEmpty { return 0 }
                do { try StandardOutput.print(text) } catch { return report(error) }
                return 0
            }
            if !text.isEmpty { Log.plain(Arguments.visible(in: text)) }
            return code == .validationFailure ? usage : failure
        }
    }
}

import ArgumentParser
import Glibc
import VidTwinTraining
import VideoIO

/// A training run as one of several processes, or alone: who speaks, and how all end when one fails.
enum TrainingProcesses {
    /// Runs `body` in each of the processes that `mpirun` or `srun` started, with nil in one that nobody
    /// did.
    static func run(_ body: (Processes?) throws -> Void) throws {
        guard let launcher = try MPILauncher({ getenv($0).map { String(cString: $0) } }) else {
            return try body(nil)
        }
        // One that MPI did not find says so itself: there is nobody to tell.
        let processes = try Processes(launcher)
        if !processes.isFirst { Log.speak(as: processes.name) }
        do {
            try body(processes)
        } catch {
            let status = end(processes, error)
            processes.end()
            throw ExitCode(status)
        }
        processes.end()
    }

    /// Says an error once, by rank 0 where all have it or heard of it, and lets all others know of it.
    private static func end(_ processes: Processes, _ error: any Error) -> Int32 {
        /// The status; only rank 0 says why.
        func said() -> Int32 {
            if !processes.isFirst { Log.silence() }
            return ExitStatus.report(error)
        }
        if case TrainingError.process(_, _, let status) = error {
            if processes.isFirst { Log.error("\(error)") }
            return status
        }
        if processes.failsTogether || error is Interrupted { return said() }
        if processes.isRunning {
            // The others wait for sums of this one, or will.
            let status = ExitStatus.report(error)
            processes.abort(status: status)
            return status
        }
        let status = said()
        processes.announce("\(processes.host): \(error)", status: status)
        return status
    }
}

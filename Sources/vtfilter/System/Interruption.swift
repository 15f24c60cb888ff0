import ForkSafety
import Glibc
import Synchronization
import TensorFiles
package import VideoIO

/// Where the handler writes the signal's number.
nonisolated(unsafe) private var signalPipe: Int32 = -1

/// SIGINT, SIGTERM and SIGHUP: the first finishes the clip in work and closes the output properly,
/// the second ends at once. Unfinished files are removed in any case. A signal that was ignored when
/// the program started stays ignored (`nohup`, jobs in the background).
package final class Interruption: Sendable {
    /// What the first signal does.
    package enum Manner {
        /// The work goes on to a good end.
        case finishing
        /// Half of the work is worth nothing: it ends.
        case atOnce
    }

    /// Cancelled by the first signal, so that nobody waits for input, or long for a reader.
    package let reading = Cancellation()
    private let manner: Manner
    private let state = Guarded<Int32?>(nil)

    /// Starts watching. One at a time in a process.
    ///
    /// Libraries start threads of their own before `main`, which block no signal, so a handler
    /// passes the signal on to a thread that may do more than a handler may.
    /// Unless it `listens`, only `received` tells it of one.
    package init(_ manner: Manner = .finishing, listens: Bool = true) {
        self.manner = manner
        if !listens { return }
        var descriptors: [Int32] = [-1, -1]
        if pipe(&descriptors) != 0 { return }
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        signalPipe = descriptors[1]
        let source = descriptors[0]
        for number in [SIGINT, SIGTERM, SIGHUP] where !Interruption.isIgnored(number) {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                let before = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(signalPipe, &byte, 1)
                errno = before
            }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
        let thread = try? BackgroundThread { [self] in
            var byte: UInt8 = 0
            while true {
                if Glibc.read(source, &byte, 1) == 1 { received(Int32(byte)) }
            }
        }
        // Nobody would hear: signals end the program then, as they do by themselves.
        if thread == nil { for number in [SIGINT, SIGTERM] { Glibc.signal(number, SIG_DFL) } }
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The signal that came, if one did.
    package var signal: Int32? { state.withLock { $0 } }

    /// The exit status of a run that was cancelled: a signal did it, if one came.
    static var status: Int32 {
        let number = last.load(ordering: .relaxed)
        return number == 0 ? ExitStatus.failure : 128 + number
    }
    private static let last = Atomic<Int32>(0)

    /// A signal came.
    package func received(_ number: Int32) {
        let again = state.withLock { signal in
            defer { signal = signal ?? number }
            return signal != nil
        }
        if again || manner == .atOnce {
            NewFile.removeUnfinished()
            _exit(128 + number)
        }
        Interruption.last.store(number, ordering: .relaxed)
        reading.cancel()
    }
}

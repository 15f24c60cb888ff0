import ForkSafety
import Testing
import vtfilter

/// What was written, and how it ended.
private final class Output: StreamOutput, Sendable {
    struct Full: Error {}

    let room: Int
    private let state = Guarded<(items: [Int], ends: [String])>(([], []))
    var items: [Int] { state.withLock { $0.items } }
    var ends: [String] { state.withLock { $0.ends } }

    init(room: Int = .max) { self.room = room }

    func write(_ item: Int) throws -> Int {
        try state.withLock { state in
            if state.items.count == room { throw Full() }
            state.items.append(item)
        }
        return 1
    }

    func abandon() { state.withLock { $0.ends.append("abandoned") } }

    func conclude(signal: Int32?, fault: (any Error)?) throws {
        state.withLock { $0.ends.append("concluded") }
        if let signal { throw Interrupted(signal: signal) }
        if let fault { throw fault }
    }
}

/// Whether it was started and closed.
private final class Input: StreamInput, Sendable {
    struct Missing: Error {}

    let isThere: Bool
    let calls = Guarded<[String]>([])

    init(isThere: Bool = true) { self.isThere = isThere }

    func start() throws {
        calls.withLock { $0.append("start") }
        if !isThere { throw Missing() }
    }

    func close() { calls.withLock { $0.append("close") } }
}

private struct Fault: Error {}

@Suite struct `The life of a stream` {
    private let interruption = Interruption(listens: false)
    private let input = Input()
    private let output = Output()

    private func job(ahead: Int = 2) -> StreamJob {
        StreamJob(
            interruption: interruption,
            progress: Progress(showsLine: false, file: nil, total: nil), ahead: ahead)
    }

    @Test(arguments: [1, 2, 100]) func `results are written in order, to a good end`(
        _ ahead: Int
    ) throws {
        try job(ahead: ahead).run(reading: input, writing: output) { send in
            for item in 0..<50 { try send(item) }
            return nil
        }
        #expect(output.items == Array(0..<50) && output.ends == ["concluded"])
        #expect(input.calls.withLock { $0 } == ["start", "close"])
        #expect(!interruption.reading.isCancelled)
    }

    @Test func `a fault of the input comes after what was before it`() {
        #expect(throws: Fault.self) {
            try job().run(reading: input, writing: output) { send in
                for item in 0..<9 { try send(item) }
                return Fault()
            }
        }
        #expect(output.items == Array(0..<9) && output.ends == ["concluded"])
    }

    @Test func `a fault of computing leaves no file, and ends reading`() {
        #expect(throws: Fault.self) {
            try job().run(reading: input, writing: output) { send in
                for item in 0..<9 { try send(item) }
                throw Fault()
            }
        }
        #expect(output.items == Array(0..<9) && output.ends == ["abandoned"])
        #expect(interruption.reading.isCancelled)
        #expect(input.calls.withLock { $0 } == ["start", "close"])
    }

    @Test func `a fault of writing explains the others, and ends computing`() {
        let output = Output(room: 3)
        var sent = 0
        #expect(throws: Output.Full.self) {
            try job().run(reading: input, writing: output) { send in
                while true {
                    try send(sent)
                    sent += 1
                }
            }
        }
        #expect(output.items == [0, 1, 2] && output.ends == ["abandoned"])
        #expect(sent <= 3 + 2 + 1, "in the file, in the queue, in hand")
        #expect(interruption.reading.isCancelled)
    }

    @Test func `a signal's clip is finished, and the signal is what is thrown`() {
        let error = #expect(throws: Interrupted.self) {
            try job().run(reading: input, writing: output) { send in
                try send(1)
                interruption.received(15)
                return interruption.signal == nil ? nil : Fault()
            }
        }
        #expect(error?.signal == 15)
        #expect(output.items == [1] && output.ends == ["concluded"])
    }

    @Test func `what cannot begin leaves nothing`() {
        let input = Input(isThere: false)
        #expect(throws: Input.Missing.self) {
            try job().run(reading: input, writing: output) { _ in nil }
        }
        #expect(output.items.isEmpty && output.ends == ["abandoned"])
        #expect(input.calls.withLock { $0 } == ["start", "close"])
        #expect(throws: Fault.self) {
            try job().run(writing: try { () throws -> Output in throw Fault() }()) { send in
                try send(1)
                return nil
            }
        }
    }
}

import Glibc
import Testing
import VidTwinTestSupport

/// Mutated inputs for every parser of foreign bytes. An input is a number, which makes it again:
/// `.ci/fuzz` gives the time and says which number was the last where the process ends.
@Suite(.serialized) struct `Fuzz` {
    /// What one input may take: seconds of this thread, bytes above what there was at first.
    private static let (seconds, bytes) = (2.0, 600 << 20)

    private static let time = environment("VIDTWIN_FUZZ_SECONDS").flatMap { Double($0) }
    private static let only = environment("VIDTWIN_FUZZ_ONLY")
    private static let first = environment("VIDTWIN_FUZZ_SEED").flatMap { UInt64($0) }
    /// Inputs of the short form, which are the same ones each time.
    private static let few: UInt64 = 1500

    @Test(arguments: FuzzTarget.all)
    func `mutated inputs are read or refused, in bounded time and memory`(
        _ target: FuzzTarget
    ) throws {
        if let only = Fuzz.only, only != target.description { return }
        let seeds = try target.seeds()
        for (index, seed) in seeds.enumerated() {
            #expect(throws: Never.self, "seed \(index)") { try target.parse(seed) }
        }
        let note = LastInput(target)
        let began = now(CLOCK_MONOTONIC)
        let first = Fuzz.first ?? (Fuzz.time == nil ? 1 : UInt64(Glibc.time(nil)) << 24)
        // Beside other tests, what memory grows by is theirs too.
        let most = Fuzz.time == nil ? Int.max : Fixtures.peakMemory() + Fuzz.bytes
        var (number, read) = (first, 0)
        func isDone() -> Bool {
            if Fuzz.first != nil { return true }
            guard let time = Fuzz.time else { return number - first >= Fuzz.few }
            return now(CLOCK_MONOTONIC) - began >= time
        }
        repeat {
            note.write(number)
            let bytes = target.mend(Mutation.of(seeds, number: number), seeds)
            let then = now(CLOCK_THREAD_CPUTIME_ID)
            if (try? target.parse(bytes)) != nil { read += 1 }
            let took = now(CLOCK_THREAD_CPUTIME_ID) - then
            let peak = Fixtures.peakMemory()
            if took > Fuzz.seconds || peak > most {
                Issue.record("\(target), input \(number): \(took) s, \(peak >> 20) MB in all")
                break
            }
            number += 1
        } while !isDone()
        #expect(read > 0 || Fuzz.first != nil, "\(target): no mutated input is read")
        let rate = Int(Double(number - first) / (now(CLOCK_MONOTONIC) - began))
        print(
            "fuzz: \(target): \(number - first) inputs, \(read) of them read, \(rate) a second,",
            "from \(first), \(Fixtures.peakMemory() >> 20) MB at most")
    }
}

/// Leaves an input's number behind, where a trap would end the process.
private final class LastInput {
    private let target: FuzzTarget
    private let file: Int32

    init(_ target: FuzzTarget) {
        self.target = target
        file = environment("VIDTWIN_FUZZ_NOTE").map { open($0, O_WRONLY | O_CREAT, 0o600) } ?? -1
        if file >= 0 { ftruncate(file, 0) }
    }

    deinit { if file >= 0 { close(file) } }

    func write(_ number: UInt64) {
        if file < 0 { return }
        let line = "VIDTWIN_FUZZ_ONLY='\(target)' VIDTWIN_FUZZ_SEED=\(number)\n"
        line.withCString { _ = pwrite(file, $0, line.utf8.count, 0) }
    }
}

private func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

private func now(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

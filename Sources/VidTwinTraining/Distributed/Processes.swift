import CVidTwinTraining
import Glibc
import VidTwin
import VidTwinKernels

/// The processes of one run, of which this is one, over MPI: numbers, bytes and words of all.
///
/// All functions are called by all processes in the same order, by one thread. Where MPI fails, its
/// plug-in says so and ends all processes.
package final class Processes {
    package let rank: Int
    package let count: Int
    /// How many of them run on this host.
    package let onHost: Int
    package let host: String
    /// The MPI library, in its own words.
    package let library: String
    /// Whether batches began: an error in one comes while others wait for sums, and ends all at once.
    package private(set) var isRunning = false
    /// Whether the error that is thrown next is one that all throw.
    package private(set) var failsTogether = false

    private let table: vt_mpi_table

    /// The processes that a launcher started, once they have found each other.
    ///
    /// - Throws: `TrainingError.failure` where there is no plug-in, or it is another library's.
    package init(_ launcher: MPILauncher) throws {
        table = try MPIPlugin.table(for: launcher)
        var place = vt_mpi_place()
        var message = [CChar](repeating: 0, count: 512)
        guard table.start(&place, &message, message.count) == 0 else {
            throw TrainingError.failure(
                "MPI: "
                    + String(
                        decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
                        as: UTF8.self))
        }
        func text<Characters>(_ characters: Characters) -> String {
            withUnsafeBytes(of: characters) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
        }
        (rank, count, onHost) = (Int(place.rank), Int(place.count), Int(max(place.on_host, 1)))
        (host, library) = (text(place.host), text(place.library))
        if count != launcher.count {
            throw TrainingError.failure(
                "started as one of \(launcher.count) processes, of which \(library) finds \(count): "
                    + "expected the mpirun of that library, or another plug-in (VIDTWIN_MPI=FILE)")
        }
    }

    /// Whether this is the process that speaks and writes.
    package var isFirst: Bool { rank == 0 }

    /// `rank 1 of 2 (host)`
    package var name: String { "rank \(rank) of \(count) (\(host))" }

    /// Threads for each of those on this host, where nobody says how many: its part of the machine's
    /// CPUs, and no more than it may use.
    package var threads: Int {
        max(1, min(ThreadPool.availableCPUs, sysconf(Int32(_SC_NPROCESSORS_ONLN)) / onHost))
    }

    // MARK: - Numbers

    /// Numbers of all processes, as many of each, in the order of ranks.
    package func gather(_ values: [Double]) -> [[Double]] {
        var all = [Double](repeating: 0, count: values.count * count)
        table.gather(values, values.count * MemoryLayout<Double>.size, &all)
        return (0..<count).map { Array(all[$0 * values.count..<($0 + 1) * values.count]) }
    }

    /// Sums over all processes, added up in the order of ranks.
    package func sum(_ values: [Double]) -> [Double] {
        gather(values).reduce(into: [Double](repeating: 0, count: values.count)) { sums, more in
            for i in more.indices { sums[i] += more[i] }
        }
    }

    /// The mean over all processes.
    package func mean(_ value: Double) -> Double { sum([value])[0] / Double(count) }

    /// Whether any says so.
    package func any(_ own: Bool) -> Bool { gather([own ? 1 : 0]).contains { $0[0] != 0 } }

    /// Replaces values by those of rank 0.
    package func broadcast(_ values: UnsafeMutablePointer<Float>, _ count: Int) {
        table.broadcast(values, count * MemoryLayout<Float>.size)
    }

    /// A sum of float32 numbers that is on its way.
    struct Sum {
        fileprivate let sum: OpaquePointer
        fileprivate let table: vt_mpi_table

        /// Lets it go on; whether it is done.
        @discardableResult func progress() -> Bool { table.progress(sum) != 0 }

        /// Waits for it. Once.
        func finish() { table.finish(sum) }
    }

    /// Begins to replace numbers, which stay where they are, by their sums over all processes, added up
    /// in the order of ranks and rounded once.
    ///
    /// - Throws: `ModelError.memory`.
    func begin(_ values: UnsafeMutablePointer<Float>, _ count: Int) throws -> Sum {
        guard let sum = table.begin(values, count) else {
            throw ModelError.memory(what: "a sum over processes", bytes: 4 * count)
        }
        return Sum(sum: sum, table: table)
    }

    /// Replaces a tensor's numbers by their sums over all processes.
    func sum(_ tensor: Tensor) throws {
        try tensor.withPointer { try begin($0, tensor.count).finish() }
    }

    // MARK: - Words

    /// Bytes of all processes in the order of ranks, of as many as each has.
    ///
    /// - Throws: `TrainingError.process` where one has an error to tell instead.
    package func exchange(_ bytes: [UInt8]) throws -> [[UInt8]] {
        try exchange(bytes, status: 0)
    }

    /// Tells all others, who are in an exchange or come to one, that this process cannot start.
    package func announce(_ problem: String, status: Int32) {
        _ = try? exchange(Array(problem.utf8), status: status)
    }

    private func exchange(_ bytes: [UInt8], status: Int32) throws -> [[UInt8]] {
        let heads = gather([Double(bytes.count), Double(status)])
        let most = heads.reduce(0) { max($0, Int($1[0])) }
        var all = [UInt8](repeating: 0, count: most * count)
        if most > 0 {
            table.gather(
                bytes + [UInt8](repeating: 0, count: most - bytes.count), most, &all)
        }
        let texts = heads.enumerated().map { rank, head in
            Array(all[rank * most..<rank * most + Int(head[0])])
        }
        if let failed = heads.firstIndex(where: { $0[1] != 0 }) {
            throw TrainingError.process(
                rank: failed, text: String(decoding: texts[failed], as: UTF8.self),
                status: Int32(heads[failed][1]))
        }
        return texts
    }

    /// What rank 0 finds, in all processes.
    ///
    /// - Throws: what `body` throws, and in the others `TrainingError.process`.
    package func first(_ body: () throws -> String?) throws -> String? {
        var found: [UInt8] = []
        if isFirst, let text = try body() { found = Array(text.utf8) }
        let bytes = try exchange(found)[0]
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// Makes sure that a number is the same in all processes.
    ///
    /// - Throws: `TrainingError.failure` in all, with the first rank that has another.
    package func compare(_ value: UInt64, _ what: String) throws {
        let bytes = withUnsafeBytes(of: value.littleEndian) { Array($0) }
        let all = try exchange(bytes)
        if let other = all.firstIndex(where: { $0 != all[0] }) {
            failsTogether = true
            throw TrainingError.failure(
                "rank \(other) of \(count): expected \(what) of rank 0, found others")
        }
    }

    /// Says that what is thrown next is thrown by all, of what all know.
    package func failTogether() { failsTogether = true }

    /// Waits until all are ready for the first batch.
    ///
    /// - Throws: `TrainingError.process` where one is not.
    package func begin() throws {
        _ = try exchange([])
        isRunning = true
    }

    /// Ends all processes at once; nothing follows.
    package func abort(status: Int32) { table.abort(status) }

    /// Leaves MPI, when all do.
    package func end() { table.end() }
}

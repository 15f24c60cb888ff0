import Glibc
import SwiftProtobuf
import TensorFiles

/// A run for W&B, written as its own program does without a network: a folder with a transaction log, which
/// `wandb sync FOLDER` uploads. Nothing is sent, and no key is asked for.
package final class WandbRun {
    /// Where a run will appear.
    package struct Place: Equatable, Sendable {
        package var project = "vidtok"
        package var entity: String?

        package init() {}
    }

    /// What there is to say of a run.
    package struct About {
        /// The run's folder, which all parts of it share.
        package let name: String
        /// Keys and JSON.
        package let configuration: [(key: String, json: String)]

        package init(name: String, configuration: [(key: String, json: String)]) {
            (self.name, self.configuration) = (name, configuration)
        }
    }

    /// `…/offline-run-20260131_235959-1a2b3c4d`
    package let folder: String

    private let id: String
    private let log: TransactionLog
    private let start = (time: WandbRun.now, clock: monotonicSeconds())
    private var records = 0
    /// The values of a step, written when the next one comes: W&B has one row a step.
    private var row: (step: Int, items: [(name: String, json: String)])?
    private var isOver = false

    /// The versions of W&B that can read the log.
    private static let leastConsumer = "0.70.0"

    /// Makes a new folder below `parent`, which is made, too.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package init(in parent: String, _ place: Place, _ about: About, producer: String) throws {
        let letters = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        let id = String((0..<8).map { _ in letters[Int.random(in: 0..<letters.count)] })
        let folder = "\(parent)/offline-run-\(WandbRun.timeStamp())-\(id)"
        for path in [parent, folder, "\(folder)/files"] {
            if path.withPathBytes({ mkdir($0, 0o777) }) != 0, errno != EEXIST || path != parent {
                throw CheckpointError.unwritable(
                    path: path, problem: String(cString: strerror(errno)))
            }
        }
        (self.id, self.folder) = (id, folder)
        log = try TransactionLog("\(folder)/run-\(id).wandb")
        try add { record in
            record.header.version.producer = producer
            record.header.version.leastConsumer = WandbRun.leastConsumer
        }
        try add { record in
            record.run.id = id
            if let entity = place.entity { record.run.entity = entity }
            (record.run.project, record.run.group, record.run.name) = (
                place.project, about.name, about.name
            )
            record.run.config.update = about.configuration.map { key, json in
                var setting = WandbLog_Setting()
                (setting.key, setting.json) = (key, json)
                return setting
            }
            record.run.host = WandbRun.host
            record.run.start.seconds = Int64(start.time)
            record.run.start.nanoseconds = Int32((start.time - start.time.rounded(.down)) * 1e9)
        }
    }

    /// Adds values of a step; steps do not go back.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func add(step: Int, _ values: [(String, Double)]) throws {
        try add(step: step, values.map { ($0.0, LogJSON.number($0.1)) })
    }

    /// Adds a picture of a step, a file of its own.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func add(step: Int, _ name: String, _ picture: PNGPicture) throws {
        let path = "media/images/\(name)_\(step).png"
        let file = "\(folder)/files/\(path)"
        let above = file.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        try makeFolders(below: "\(folder)/files", above.joined(separator: "/"))
        try NewFile.write(file) { try $0.write(picture.bytes) }
        let digest = try FileDigest.sha256(path: file)
        try add { record in
            var file = WandbLog_File()
            (file.path, file.kind) = (path, .media)
            record.files.file = [file]
        }
        try add(
            step: step,
            [
                (
                    name,
                    "{\"_type\": \"image-file\", \"path\": \(LogJSON.text(path)), \"sha256\": \"\(digest)\", "
                        + "\"size\": \(picture.bytes.count), \"format\": \"png\", "
                        + "\"width\": \(picture.width), \"height\": \(picture.height)}"
                )
            ])
    }

    /// The run is over, with its program's status. Once.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func finish(status: Int) throws {
        if isOver { return }
        isOver = true
        try writeRow()
        let seconds = monotonicSeconds() - start.clock
        try add { record in
            record.exit.status = Int32(truncatingIfNeeded: status)
            record.exit.seconds = Int32(clamping: Int(seconds))
        }
    }

    // MARK: - Records

    private func add(step: Int, _ items: [(name: String, json: String)]) throws {
        if let row, row.step != step { try writeRow() }
        row = (step, (row?.items ?? []) + items)
    }

    private func writeRow() throws {
        guard let row else { return }
        self.row = nil
        let clock = monotonicSeconds() - start.clock
        let own = [
            ("_step", "\(row.step)"), ("_timestamp", WandbRun.precise(start.time + clock)),
            ("_runtime", WandbRun.precise(clock)),
        ]
        let items = (row.items + own).map { name, json in
            var item = WandbLog_Item()
            (item.key, item.json) = ([name], json)
            return item
        }
        try add { record in
            record.history.item = items
            record.history.step.number = Int64(row.step)
        }
        try add { $0.summary.update = items }
    }

    private func add(_ fill: (inout WandbLog_Record) -> Void) throws {
        records += 1
        var record = WandbLog_Record()
        record.num = Int64(records)
        record.stream.id = id
        fill(&record)
        try log.add(try record.serializedBytes())
    }

    private func makeFolders(below parent: String, _ path: String) throws {
        var made = parent
        for part in path.dropFirst(parent.count).split(separator: "/") {
            made += "/\(part)"
            if made.withPathBytes({ mkdir($0, 0o777) }) != 0, errno != EEXIST {
                throw CheckpointError.unwritable(
                    path: made, problem: String(cString: strerror(errno)))
            }
        }
    }

    // MARK: - The machine

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Seconds with a thousandth; nine digits are too few for a time.
    private static func precise(_ seconds: Double) -> String {
        let thousandths = Int64((seconds * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }

    private static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// `20260131_235959`, local time.
    private static func timeStamp() -> String {
        var (now, parts) = (Glibc.time(nil), tm())
        localtime_r(&now, &parts)
        return [
            parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, -1, parts.tm_hour, parts.tm_min,
            parts.tm_sec,
        ].map { $0 < 0 ? "_" : $0 < 10 ? "0\($0)" : "\($0)" }.joined()
    }
}

import Glibc
import Testing
import VidTwin
import VidTwinTestSupport
import VidTwinTraining
import VideoIO

struct DataTests {
    /// Lossless videos of a pattern, or of frames whose grey is 5 times their number.
    private func write(
        _ frames: [UInt8], width: Int, height: Int, rate: String, to path: String,
        options: String = ""
    ) {
        Fixtures.write(frames, to: "\(path).raw")
        let result = Shell.run(
            "ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s \(width)x\(height) -r \(rate) "
                + "-i '\(path).raw' \(options) -c:v ffv1 -pix_fmt bgr0 '\(path)' && rm '\(path).raw'"
        )
        #expect(result.status == 0, "\(result.errors)")
    }

    private func grey(_ count: Int, width: Int = 32, height: Int = 32) -> [UInt8] {
        (0..<count).flatMap { [UInt8](repeating: UInt8($0 * 5 % 256), count: width * height * 3) }
    }

    /// What of 25 frames a second is shown at four moments an eighth of a second apart.
    private func shownFrames(from start: Double) -> [Int] {
        (0..<4).map { k in
            let moment = start + (Double(k) + 0.05) / 8
            return Int((moment * 25).rounded(.down))
        }
    }

    private let format = ClipFormat(frames: 4, height: 32, width: 32, rate: Rational(8, 1))

    /// The numbers of the frames of a clip of grey ones.
    private func numbers(_ clip: DecodedClip, _ format: ClipFormat) -> [Int] {
        (0..<format.frames).map { Int(clip.bytes[$0 * format.byteCount / format.frames]) / 5 }
    }

    @Test func `a golden clip comes out of a lossless video byte for byte`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let bytes = Golden.pattern(4, 32, 32, 1)
        write(bytes, width: 32, height: 32, rate: "8", to: "\(folder)/a.mkv")
        let clip = try ClipDecoder(format).clip("\(folder)/a.mkv", at: .part(0.7))
        #expect(clip.bytes == bytes)  // no room: the window begins at 0
        #expect(clip.start == 0 && !clip.isShort)
    }

    @Test func `windows are cut by time, at constant and variable rates`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        write(grey(50), width: 32, height: 32, rate: "25", to: "\(folder)/a.mkv")
        let decoder = ClipDecoder(format)
        // The last frame is at 1.96 s: the room is 1.96 − 0.375.
        let clip = try decoder.clip("\(folder)/a.mkv", at: .part(0.5))
        let start = 0.5 * (1.96 - 0.375)
        #expect(abs(clip.start - start) < 1e-9)
        let shown = shownFrames(from: start)
        #expect(numbers(clip, format) == shown)
        #expect(
            try numbers(decoder.clip("\(folder)/a.mkv", at: .part(1 - 1e-9)), format).last == 49)
        #expect(try numbers(decoder.clip("\(folder)/a.mkv", at: .frame(10)), format)[0] == 10)

        // Every third frame is missing: the one before is shown longer.
        write(
            grey(50), width: 32, height: 32, rate: "25", to: "\(folder)/v.mkv",
            options: "-vf \"select='not(eq(mod(n,3),1))'\" -fps_mode vfr")
        let variable = try decoder.clip("\(folder)/v.mkv", at: .part(0.5))
        // The last frame that is shown is 48, at 1.92 s.
        let moved = shownFrames(from: 0.5 * (1.92 - 0.375)).map { $0 % 3 == 1 ? $0 - 1 : $0 }
        #expect(numbers(variable, format) == moved)
    }

    @Test(arguments: [
        ("mkv", "-c:v libx264 -g 20 -bf 3 -x264-params open-gop=1:scenecut=0"),
        ("mp4", "-c:v libx264 -g 20 -bf 3 -x264-params scenecut=0"),
        ("mp4", "-c:v libx264 -g 40 -bf 2 -x264-params intra-refresh=1:scenecut=0"),
        ("mp4", "-c:v libx265 -x265-params keyint=20:bframes=3:open-gop=1:log-level=none"),
        ("mp4", "-c:v mpeg4 -g 15 -bf 2"), ("webm", "-c:v libvpx-vp9 -g 25 -cpu-used 8"),
        ("ts", "-c:v libx264 -g 20"),
    ])
    func `a window by way of a key frame is the one of who decodes all`(
        _ ending: String, _ codec: String
    ) throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        // Moved in time by an edit list where there is one, and cut in the middle of a group.
        let made = Shell.run(
            "ffmpeg -v error -f lavfi -i testsrc2=s=64x48:r=25:d=5 \(codec) -pix_fmt yuv420p a.\(ending)"
                + " && ffmpeg -v error -ss 1.3 -i a.\(ending) -c copy b.\(ending)", in: folder)
        #expect(made.status == 0, "\(made.errors)")
        for name in ["a", "b"] {
            let path = "\(folder)/\(name).\(ending)"
            for place in [0.0, 0.21, 0.5, 0.77, 1 - 1e-9] {
                let clip = try ClipDecoder(format).clip(path, at: .part(place))
                let plain = try ClipDecoder(format, seeks: false).clip(path, at: .part(place))
                #expect(clip.bytes == plain.bytes, "\(name).\(ending) at \(place)")
            }
        }
        guard ending != "ts" else { return }
        // It is a shorter way: the last window's key frame is not the first.
        let timeline = try VideoTimeline(
            path: "\(folder)/a.\(ending)", cancellation: Cancellation())
        #expect(timeline.keyFrame(before: 120) != nil)
        #expect(timeline.keyFrame(before: 0) == nil)
    }

    @Test func `clips are mirrored and cut out anywhere where that is asked for`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let (width, height) = (96, 32)
        // Columns differ, rows do not.
        let row = (0..<width).flatMap { [UInt8($0 * 2), 7, 9] as [UInt8] }
        let frame = (0..<height).flatMap { _ in row }
        write(frame, width: width, height: height, rate: "8", to: "\(folder)/a.mkv")
        func columns(_ view: ClipView) throws -> [Int] {
            let clip = try ClipDecoder(format).clip("\(folder)/a.mkv", at: .part(0), view)
            return (0..<32).map { Int(clip.bytes[3 * $0]) / 2 }
        }
        #expect(try columns(ClipView()) == Array(32..<64))
        #expect(try columns(ClipView(isMirrored: true)) == (32..<64).reversed())
        #expect(try columns(ClipView(crop: CropPlace(x: 0, y: 0.5))) == Array(0..<32))
        let right = CropPlace(x: 1 - 0x1p-32, y: 0)
        #expect(try columns(ClipView(crop: right)) == Array(64..<96))

        let order = EpochOrder(count: 400, batchClips: 4, seed: 5)
        let views = (0..<400).map { order.view(row: $0, epoch: 1, [.flip, .crop]) }
        let mirrored = views.count { $0.isMirrored }
        #expect((150..<250).contains(mirrored))
        #expect(Set(views.compactMap { $0.crop?.x }).count > 390)
        #expect(views != (0..<400).map { order.view(row: $0, epoch: 2, [.flip, .crop]) })
        #expect(order.view(row: 3, epoch: 1, []) == ClipView())
        #expect(Augmentations("crop,flip") == [.flip, .crop] && Augmentations("none") == [])
        #expect(Augmentations("turn") == nil && Augmentations("") == nil)
        #expect("\(Augmentations([.crop, .flip]))" == "flip,crop")
    }

    @Test func `a short video's last frame is repeated`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        write(grey(5), width: 32, height: 32, rate: "25", to: "\(folder)/a.mkv")
        let clip = try ClipDecoder(format).clip("\(folder)/a.mkv", at: .part(0.9))
        #expect(numbers(clip, format) == [0, 3, 4, 4])
        #expect(clip.isShort && clip.sourceFrames == 5)
    }

    @Test func `an order is a permutation of its own in every epoch`() {
        let order = EpochOrder(count: 103, batchClips: 4, seed: 23)
        #expect(order.batches == 25)
        let (first, second) = (order.order(epoch: 0), order.order(epoch: 1))
        #expect(first.sorted() == Array(0..<103) && second.sorted() == Array(0..<103))
        #expect(first != second && first == order.order(epoch: 0))
        let random = Philox(seed: 23)
        let words = first.map { random.word(site: 64, clip: UInt32($0), batch: 0) }
        #expect(words == words.sorted())
        #expect(
            order.start(row: 7, epoch: 3)
                == Double(random.word(site: 65, clip: 7, batch: 3)) / 4_294_967_296)
        #expect(order.place(batch: 26).epoch == 1 && order.place(batch: 26).number == 1)
        let share = EpochOrder(count: 103, share: 0.1, batchClips: 20, seed: 23)
        #expect(share.rows.count == 10 && share.batches == 1)  // fewer than a batch: repeated
        #expect(EpochOrder(count: 103, batchClips: 4, limit: 7, seed: 23).batches == 7)
    }

    private func list(_ folder: String, _ names: [String]) throws -> VideoList {
        Fixtures.write(
            Array(("videos,note\n" + names.map { "\($0),\n" }.joined()).utf8),
            to: "\(folder)/list.csv")
        return try VideoList(
            folder: folder, list: "\(folder)/list.csv", folderKey: "data_dir", listKey: "meta_path")
    }

    @Test func `what is trained on does not depend on the workers`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        for n in 1...5 {
            write(grey(10 * n), width: 32, height: 32, rate: "25", to: "\(folder)/\(n).mkv")
        }
        Fixtures.write([1, 2, 3], to: "\(folder)/bad.mkv")
        let list = try list(folder, ["3.mkv", "1.mkv", "bad.mkv", "5.mkv", "2.mkv", "4.mkv"])
        #expect(list.entries.map(\.name)[0] == "3.mkv")  // the file's order
        var options = DataOptions(format: format)
        options.maximumBad = 0.2
        let order = EpochOrder(count: 6, batchClips: 2, seed: 5)
        var results: [[Float]] = []
        var words: [[String]] = []
        for workers in [1, 3] {
            var said: [String] = []
            options.workers = workers
            let data = try TrainingData(
                list, order, options, clipsAhead: 3, from: 0, until: 6, say: { said.append($0) })
            var pixels: [Float] = []
            for _ in 0..<6 { pixels += try data.next(2, on: Device(threads: 1)).clips.values }
            data.close()
            results.append(pixels)
            words.append(said)
            #expect(said.count { $0.contains("bad.mkv") } == 1)
        }
        #expect(results[0] == results[1] && words[0] == words[1])
        // From the middle on: the same.
        let data = try TrainingData(
            list, order, options, clipsAhead: 2, from: 4, until: 6, say: { _ in })
        let tail = try data.next(2, on: Device(threads: 1)).clips.values
        data.close()
        #expect(tail == Array(results[0][4 * tail.count..<5 * tail.count]))
        // Left half-way, nothing hangs.
        let left = try TrainingData(
            list, order, options, clipsAhead: 2, from: 0, until: 1000, say: { _ in })
        left.close()
    }

    @Test func `too many unreadable videos end training, and none is put up with when strict`()
        throws
    {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        write(grey(10), width: 32, height: 32, rate: "25", to: "\(folder)/1.mkv")
        Fixtures.write([1, 2, 3], to: "\(folder)/bad.mkv")
        let list = try list(folder, ["1.mkv", "bad.mkv"])
        let order = EpochOrder(count: 2, batchClips: 2, seed: 5)
        func train(_ change: (inout DataOptions) -> Void) throws -> String {
            var options = DataOptions(format: format)
            change(&options)
            let data = try TrainingData(
                list, order, options, clipsAhead: 2, from: 0, until: 2, say: { _ in })
            defer { data.close() }
            do {
                _ = try data.next(2, on: Device(threads: 1))
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(try train { $0.maximumBad = 0 }.contains("--max-bad"))
        #expect(try train { $0.maximumBad = 0.01 } == "")  // one in any case
        #expect(try train { $0.skipsUnreadable = false }.contains("bad.mkv"))
        #expect(try train { $0.maximumBad = 0.5 } == "")
        // Missing ones are known before the first step.
        let missing = try self.list(folder, ["1.mkv", "gone.mkv", "lost.mkv"])
        let all = EpochOrder(count: 3, batchClips: 2, seed: 5)
        let error = #expect(throws: TrainingError.self) {
            try TrainingData(
                missing, all, DataOptions(format: format), clipsAhead: 2, from: 0, until: 2,
                say: { _ in })
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains("at most 1 of 3 videos"))
        var options = DataOptions(format: format)
        #expect([1, 99, 100, 199, 200, 1000].map(options.mostUnreadable) == [1, 1, 1, 1, 2, 10])
        options.maximumBad = 0
        #expect(options.mostUnreadable(of: 1000) == 0)
    }

    @Test func `a validation shows each video once and says what it leaves out`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        for n in 1...3 {
            write(grey(10 * n), width: 32, height: 32, rate: "25", to: "\(folder)/\(n).mkv")
        }
        Fixtures.write([1, 2, 3], to: "\(folder)/bad.mkv")
        let list = try list(folder, ["1.mkv", "bad.mkv", "2.mkv", "3.mkv"])
        let data = ValidationData(list, DataOptions(format: format), batchClips: 2, seed: 0)
        var (counts, said, shown): ([Int], [String], [String]) = ([], [], [])
        try data.each(on: Device(threads: 1), unreadable: { name, _ in said.append(name) }) {
            clips, names in
            counts.append(clips.dim(0))
            shown += names
            return true
        }
        #expect(counts == [2, 1] && said == ["bad.mkv"])
        #expect(shown == ["1.mkv", "2.mkv", "3.mkv"])
    }

    @Test(arguments: [
        ("videos\na.mp4\nb,c\n", "line 3: expected 1 fields, as in the header, found 2"),
        ("n,videos\n\n1,\"a\nb\n", "line 3: expected a closing quote, found the end"),
        ("videos\na.mp4\n\"\"\"\",\n", "line 3: expected 1 fields, as in the header, found 2"),
        ("n,videos\n1,\n", "line 2: expected a path in the column videos, found none"),
        ("names\na.mp4\n", "line 1: expected the column videos, found names"),
        ("", "line 1: expected a header, found an empty file"),
    ])
    func `a list that is no good is an error with its line`(_ text: String, _ words: String) {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        Fixtures.write(Array(text.utf8), to: "\(folder)/m.csv")
        let error = #expect(throws: TrainingError.self) {
            try VideoList(
                folder: folder, list: "\(folder)/m.csv", folderKey: "f", listKey: "l")
        }
        #expect("\(error.map { "\($0)" } ?? "")".hasSuffix("m.csv, \(words)"))
    }
}

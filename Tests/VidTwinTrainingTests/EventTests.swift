import Testing
import VidTwin
import VidTwinTestSupport
import VidTwinTraining

/// What `Tests/Training/events.py` does not see of event files; TensorBoard's reader is asked there.
struct EventTests {
    @Test func `checksums are Castagnoli's`() {
        // RFC 3720, B.4.
        #expect(CRC32C.of(Array("123456789".utf8)) == 0xe306_9283)
        #expect(CRC32C.of([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(CRC32C.of((0..<32).map { UInt8($0) }) == 0x46dd_794e)
        #expect(CRC32C.of([]) == 0)
        let record = EventFile.record([1, 2, 3])
        #expect(record.count == 8 + 4 + 3 + 4 && Array(record[0..<8]) == [3, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test func `a histogram has every finite value in its bucket`() {
        var histogram = ValueHistogram()
        #expect(histogram.buckets.isEmpty)
        let values: [Double] = [
            -2, -1e-15, 0, 1e-15, 1e-12, 1e-3, 0.5, 0.5, 3, 1e30, .nan, .infinity,
        ]
        for value in values { histogram.add(value) }
        #expect(histogram.count == 10 && histogram.least == -2 && histogram.most == 1e30)
        let buckets = histogram.buckets
        #expect(buckets.reduce(0) { $0 + $1.count } == 10)
        for value in values where value.isFinite {
            let index = buckets.firstIndex { value <= $0.limit } ?? 0
            #expect(index > 0 && buckets[index].count > 0, "\(value)")
            #expect(value > buckets[index - 1].limit)
        }
        let half = buckets.first { $0.limit >= 0.5 }
        #expect((half?.limit ?? 9) < 0.5 * 1.1 + 1e-9 && half?.count == 2)
    }

    @Test func `a picture is a grid of frames, and NaN is black`() throws {
        let device = Device(threads: 1)
        // Three frames of 2 x 1 pixels.
        let clips = Tensor(
            [1, 3, 1, 2, 3],
            [-1, 0, 1, 2, -2, .nan] + [Float](repeating: 1, count: 6)
                + [Float](repeating: 0, count: 6), on: device)
        let picture = try PNGPicture(clips, columns: 2)
        #expect(picture.width == 10 && picture.height == 8)
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        Fixtures.write(picture.bytes, to: "\(folder)/a.png")
        let raw = Shell.run(
            "ffmpeg -v error -i a.png -f rawvideo -pix_fmt rgb24 -", in: folder)
        #expect(raw.status == 0 && raw.output.count == 10 * 8 * 3, "\(raw.errors)")
        func pixel(_ x: Int, _ y: Int) -> [UInt8] {
            Array(raw.output[(y * 10 + x) * 3..<(y * 10 + x) * 3 + 3])
        }
        #expect(pixel(2, 2) == [0, 128, 255] && pixel(3, 2) == [255, 0, 0])
        #expect(pixel(6, 2) == [255, 255, 255] && pixel(2, 5) == [128, 128, 128])
        #expect(pixel(5, 2) == [0, 0, 0] && pixel(6, 5) == [0, 0, 0] && pixel(0, 0) == [0, 0, 0])
    }
}

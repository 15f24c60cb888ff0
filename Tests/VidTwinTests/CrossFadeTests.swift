import Testing
import VidTwin
import VidTwinTestSupport

@Suite struct `Cross-fades` {
    /// A clip of a stream: the number of its first frame, how many frames count, and where the next
    /// one should begin.
    private struct Place {
        let first, valid, stride: Int
    }

    private static let length = 6

    /// Frame by frame, each with its number, as a dictionary of what is held.
    private struct Plain {
        var held: [(index: Int, values: [Float])] = []
        var next = Int.min
        var out: [(index: Int, values: [Float])] = []

        mutating func give(before index: Int) {
            let ready = held.prefix { $0.index < index }
            out += ready
            held.removeFirst(ready.count)
            next = ready.last.map { $0.index + 1 } ?? next
        }

        mutating func take(_ frames: [[Float]], _ place: Place) {
            give(before: place.first)
            let shared = held.count
            for t in 0..<place.valid where place.first + t >= next {
                if let k = held.firstIndex(where: { $0.index == place.first + t }) {
                    let weight = Float(k + 1) / Float(shared + 1)
                    for i in frames[t].indices {
                        held[k].values[i] += weight * (frames[t][i] - held[k].values[i])
                    }
                } else {
                    held.append((place.first + t, frames[t]))
                }
            }
            give(before: place.first + place.stride)
        }
    }

    private func check(_ places: [Place], _ random: inout SplitMix64) {
        let device = Device(threads: 1)
        let frame = 1 * 2 * 3
        var (fade, plain) = (CrossFade(), Plain())
        var found: [[UInt8]] = []
        func keep(_ runs: [CrossFade.Run]) {
            for run in runs {
                let depths = run.frames.map { _ in Picture.Depth.float }
                found += run.pictures(depths: depths).map(\.bytes)
            }
        }
        for place in places {
            let values = random.floats(Self.length * frame)
            let frames = (0..<Self.length).map { Array(values[$0 * frame..<($0 + 1) * frame]) }
            plain.take(frames, place)
            keep(
                fade.take(
                    Tensor([1, Self.length, 1, 2, 3], values, on: device), first: place.first,
                    valid: place.valid, stride: place.stride))
            #expect(found.count == plain.out.count, "after \(place) of \(places)")
        }
        plain.give(before: .max)
        keep(fade.finish())
        let expected = plain.out.map { _, values in
            values.map { min(max(0.5 * $0 + 0.5, 0), 1) }.withUnsafeBytes { Array($0) }
        }
        #expect(found == expected, "\(places)")
    }

    @Test(arguments: 1...6) func `windows of one stride, the last one short`(_ stride: Int) {
        var random = SplitMix64(seed: UInt64(stride))
        let places = (0..<5).map {
            Place(first: $0 * stride, valid: $0 < 4 ? 6 : 7 - stride, stride: stride)
        }
        check(places, &random)
    }

    @Test func `any clips that come in order: gaps, jumps back, short ones`() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<300 {
            var first = 0
            let places = (0..<6).map { _ in
                defer { first += Int(random.next() % 9) }
                return Place(
                    first: first, valid: 1 + Int(random.next() % 6),
                    stride: 1 + Int(random.next() % 8))
            }
            check(places, &random)
        }
    }
}

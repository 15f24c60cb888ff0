package import VideoIO

/// What a clip is cut from a video: frames at a rate, of one size.
package struct ClipFormat: Sendable, Equatable {
    /// Frames of a clip.
    package let frames: Int
    package let height, width: Int
    /// Frames a second.
    package let rate: Rational

    package init(frames: Int, height: Int, width: Int, rate: Rational) {
        (self.frames, self.height, self.width, self.rate) = (frames, height, width, rate)
    }

    /// Bytes of a clip.
    package var byteCount: Int { frames * height * width * 3 }

    /// The room for the start of a window in a video whose last frame is shown at `last`.
    package func room(last: Double) -> Double {
        let room = last - Double(frames - 1) / rate.value
        return room < 1 / (20 * rate.value) ? 0 : room
    }
}

/// Where a window begins.
package enum ClipStart: Sendable {
    /// A part of the room, 0…1.
    case part(Double)
    /// A frame of the source, from 0.
    case frame(Int)
}

/// How the pictures of a window are looked at.
package struct ClipView: Sendable, Equatable {
    /// Whether left and right change places.
    package let isMirrored: Bool
    /// What is cut out of pictures of another shape; their middle where nil.
    package let crop: CropPlace?

    package init(isMirrored: Bool = false, crop: CropPlace? = nil) {
        (self.isMirrored, self.crop) = (isMirrored, crop)
    }
}

/// Frames of a window, `[T, H, W, 3]`, 8 bits.
package struct DecodedClip: Sendable {
    package let bytes: [UInt8]
    /// Whether the video was shorter than the window, so that its last frame was repeated.
    package let isShort: Bool
    /// Frames of the video.
    package let sourceFrames: Int
    /// Seconds from the video's first frame to the window's.
    package let start: Double
}

/// Cuts clips out of videos by time: the frame that is shown at each moment, also of a variable
/// rate (`FrameSampler`'s rule).
package struct ClipDecoder: Sendable {
    package let format: ClipFormat
    /// Ends waiting for input.
    package let cancellation: Cancellation
    /// Whether decoding begins at the key frame before a window where that gives the same frames.
    private let seeks: Bool

    package init(
        _ format: ClipFormat, cancellation: Cancellation = Cancellation(), seeks: Bool = true
    ) {
        (self.format, self.cancellation, self.seeks) = (format, cancellation, seeks)
    }

    /// The frames of a window.
    ///
    /// - Throws: `VideoIOError` where the video cannot be read, or there is no frame to show.
    package func clip(
        _ path: String, at place: ClipStart, _ view: ClipView = ClipView()
    ) throws -> DecodedClip {
        let timeline = try VideoTimeline(path: path, cancellation: cancellation)
        let (times, interval) = (timeline.seconds, 1 / format.rate.value)
        let start: Double
        switch place {
        case .part(let part): start = part * format.room(last: times.last ?? 0)
        case .frame(let index): start = times[min(max(index, 0), times.count - 1)]
        }
        // What is due a twentieth of an interval late is shown: containers round timestamps.
        let moments = (0..<format.frames).map { start + (Double($0) + 0.05) * interval }
        let first = max((times.firstIndex { $0 > moments[0] } ?? times.count) - 1, 0)
        let bytes =
            try sought(path, timeline, first, moments, view)
            ?? frames(try reader(path, view, skip: first), from: times[first], moments, view)
        let end = (times.last ?? 0) + timeline.lastDuration
        return DecodedClip(
            bytes: bytes, isShort: end < start + (Double(format.frames) - 0.95) * interval,
            sourceFrames: times.count, start: start)
    }

    /// The frames of a window by way of the key frame before it; nil where there is no such way. What
    /// is wrong with the video is for who decodes it from its beginning to say.
    private func sought(
        _ path: String, _ timeline: VideoTimeline, _ first: Int, _ moments: [Double],
        _ view: ClipView
    ) throws -> [UInt8]? {
        guard seeks, let place = timeline.keyFrame(before: first) else { return nil }
        // The frames that are shown: the others need not even be decoded.
        let times = timeline.seconds
        var (wanted, index): ([Int64], Int) = ([], first)
        for moment in moments {
            while index + 1 < times.count, times[index + 1] <= moment { index += 1 }
            guard let shown = timeline.shown(index) else { return nil }
            wanted.append(shown)
        }
        do {
            let reader = try reader(path, view, skip: 0)
            guard reader.seek(to: place, wanted: Set(wanted)) else { return nil }
            return try frames(reader, from: times[first], moments, view, expected: wanted)
        } catch VideoIOError.cancelled {
            throw VideoIOError.cancelled
        } catch {
            return nil
        }
    }

    private func reader(_ path: String, _ view: ClipView, skip: Int) throws -> VideoReader {
        var options = InputOptions(url: path)
        options.copiesTracks = false
        options.skip = skip
        options.cropPlace = view.crop
        return try VideoReader(
            options, fit: .crop, size: PictureSize(width: format.width, height: format.height),
            cancellation: cancellation)
    }

    /// The frames that are shown at moments; the reader's first is shown from `start` on. Where it is known
    /// which ones they are, another one is an error.
    private func frames(
        _ reader: VideoReader, from start: Double, _ moments: [Double], _ view: ClipView,
        expected: [Int64]? = nil
    ) throws -> [UInt8] {
        var (current, upcoming) = (try reader.nextStored(), try reader.nextStored())
        guard let opening = current else {
            throw VideoIOError.badInput(
                url: reader.url, problem: "expected frames, found none")
        }
        let base = reader.stream.timeBase.value
        func seconds(_ frame: StoredFrame) -> Double {
            start + Double(frame.pts - opening.pts) * base
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(format.byteCount)
        var picture: (pts: Int64, frame: RGBFrame)?
        for (k, moment) in moments.enumerated() {
            while let later = upcoming, seconds(later) <= moment {
                current = later
                upcoming = try reader.nextStored()
            }
            guard let current else { continue }
            if let expected, current.pts != expected[k] {
                throw VideoIOError.badInput(url: reader.url, problem: "a frame is not where it was")
            }
            if picture?.pts != current.pts {
                picture = (current.pts, try reader.picture(of: current))
            }
            if let picture { append(picture.frame, view, to: &bytes) }
        }
        return bytes
    }

    /// A frame's samples in 8 bits.
    private func append(_ frame: RGBFrame, _ view: ClipView, to bytes: inout [UInt8]) {
        let start = bytes.count
        defer { if view.isMirrored { mirror(&bytes, from: start, width: frame.width) } }
        switch frame.depth {
        case .eight: bytes += frame.bytes
        case .sixteen:
            frame.bytes.withUnsafeBytes { raw in
                for i in 0..<raw.count / 2 {
                    let value = UInt32(raw.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
                    bytes.append(UInt8((value * 255 + 32767) / 65535))
                }
            }
        }
    }

    /// Turns the rows from `start` on around.
    private func mirror(_ bytes: inout [UInt8], from start: Int, width: Int) {
        for row in stride(from: start, to: bytes.count, by: 3 * width) {
            for x in 0..<width / 2 {
                for channel in 0..<3 {
                    bytes.swapAt(row + 3 * x + channel, row + 3 * (width - 1 - x) + channel)
                }
            }
        }
    }
}

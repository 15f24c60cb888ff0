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

    package init(_ format: ClipFormat, cancellation: Cancellation = Cancellation()) {
        (self.format, self.cancellation) = (format, cancellation)
    }

    /// The frames of a window.
    ///
    /// - Throws: `VideoIOError` where the video cannot be read, or there is no frame to show.
    package func clip(_ path: String, at place: ClipStart) throws -> DecodedClip {
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
        var options = InputOptions(url: path)
        options.copiesTracks = false
        options.skip = first
        let reader = try VideoReader(
            options, fit: .crop, size: PictureSize(width: format.width, height: format.height),
            cancellation: cancellation)
        var (current, upcoming) = (try reader.next(), try reader.next())
        guard let opening = current else {
            throw VideoIOError.badInput(url: path, problem: "expected frames, found none")
        }
        let base = reader.stream.timeBase.value
        func seconds(_ frame: RGBFrame) -> Double {
            times[first] + Double(frame.pts - opening.pts) * base
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(format.byteCount)
        for moment in moments {
            while let later = upcoming, seconds(later) <= moment {
                current = later
                upcoming = try reader.next()
            }
            if let current { append(current, to: &bytes) }
        }
        let end = (times.last ?? 0) + timeline.lastDuration
        return DecodedClip(
            bytes: bytes, isShort: end < start + (Double(format.frames) - 0.95) * interval,
            sourceFrames: times.count, start: start)
    }

    /// A frame's samples in 8 bits.
    private func append(_ frame: RGBFrame, to bytes: inout [UInt8]) {
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
}

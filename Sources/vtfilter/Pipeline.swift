import Synchronization
import VidTwin
import VideoIO

/// Reading, computing and writing at the same time: a thread each for reading and writing, with a
/// clip or two between them; the caller's thread computes.
final class Pipeline: Sendable {
    /// A frame on its way, with the audio that came before it. The frame is nil for audio after
    /// the last one.
    private struct Item: Sendable {
        let frame: RGBFrame?
        let audio: [AudioPacket]
    }

    /// Owned by one thread at a time: first the opener's, then the reading or writing one's.
    private struct Handed<Value>: @unchecked Sendable {
        let value: Value
    }

    private let reader: Handed<VideoReader>
    private let writer: Handed<VideoWriter>
    private let interruption: Interruption
    private let progress: Progress

    init(
        reader: VideoReader, writer: VideoWriter, interruption: Interruption, progress: Progress
    ) {
        self.reader = Handed(value: reader)
        self.writer = Handed(value: writer)
        self.interruption = interruption
        self.progress = progress
    }

    /// Runs to the end of the input, or to the first fault; whole frames are written before a
    /// fault of the input is thrown. Reading and writing run ahead by two clips of `clip` frames.
    func run(clip: Int, _ session: Session) throws {
        let input = BoundedQueue<Item>(capacity: 2 * clip)
        let output = BoundedQueue<Item>(capacity: 2 * clip)
        let readFault = Mutex<(any Error)?>(nil)
        let writeFault = Mutex<(any Error)?>(nil)
        let reading = BackgroundThread { [self] in
            do { try read(into: input) } catch { readFault.withLock { $0 = error } }
            input.finish()
        }
        let writing = BackgroundThread { [self] in
            do { try write(from: output) } catch {
                writeFault.withLock { $0 = error }
                output.close()
                input.close()
                interruption.reading.cancel()
            }
        }
        var computeFault: (any Error)?
        do { try compute(from: input, into: output, session) } catch {
            computeFault = error
            input.close()
            interruption.reading.cancel()
        }
        output.finish()
        writing.join()
        reading.join()
        progress.end()
        // What the user can mend comes first: a reader that left explains all the rest.
        if let fault = writeFault.withLock({ $0 }) {
            writer.value.abandon()
            throw fault
        }
        if let computeFault {
            // Whole clips before the fault are on a pipe already; a file is left out as a whole.
            writer.value.abandon()
            throw computeFault
        }
        try writer.value.finish()
        if let signal = interruption.signal { throw Interrupted(signal: signal) }
        if let fault = readFault.withLock({ $0 }) { throw fault }
    }

    private func read(into queue: BoundedQueue<Item>) throws {
        let reader = reader.value
        while let frame = try reader.next() {
            if !queue.push(Item(frame: frame, audio: reader.takeAudio())) { return }
        }
        _ = queue.push(Item(frame: nil, audio: reader.takeAudio()))
    }

    private func write(from queue: BoundedQueue<Item>) throws {
        let writer = writer.value
        while let item = queue.pop() {
            try writer.write(item.audio)
            if let frame = item.frame {
                try writer.write(frame)
                progress.wrote()
            }
        }
    }

    private func compute(
        from input: BoundedQueue<Item>, into output: BoundedQueue<Item>, _ session: Session
    ) throws {
        var waiting: [Item] = []
        var rest: [AudioPacket] = []
        func send(_ pictures: [Picture]) {
            for (item, picture) in zip(waiting, pictures) {
                guard let frame = item.frame else { continue }
                let result = RGBFrame(
                    width: picture.width, height: picture.height, depth: frame.depth,
                    bytes: picture.bytes, pts: frame.pts, duration: frame.duration)
                _ = output.push(Item(frame: result, audio: item.audio))
            }
            waiting.removeFirst(pictures.count)
        }
        while let item = input.pop() {
            guard let frame = item.frame else {
                rest = item.audio
                break
            }
            waiting.append(item)
            let picture = Picture(
                width: frame.width, height: frame.height,
                depth: frame.depth == .eight ? .eight : .sixteen, bytes: frame.bytes)
            send(try session.push(picture))
            if interruption.signal != nil { return }
        }
        if interruption.signal != nil { return }
        send(try session.finish())
        _ = output.push(Item(frame: nil, audio: rest))
    }
}

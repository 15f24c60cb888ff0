import VidTwin
import VideoIO

/// The frames of a stream through a session, with their times and what is copied beside them.
struct SessionFrames {
    private let session: Session
    private let showsInput: Bool
    /// What went into the session and did not come out.
    private var waiting: [StreamItem] = []

    /// At the start of a stream; `showsInput` puts the input before each result.
    init(_ session: Session, showsInput: Bool) {
        (self.session, self.showsInput) = (session, showsInput)
    }

    /// Takes a frame and returns those that are ready.
    mutating func push(_ frame: RGBFrame, _ item: StreamItem) throws -> [StreamItem] {
        waiting.append(item)
        return ready(try session.push(frame.picture))
    }

    /// The frames of the last clip.
    mutating func finish() throws -> [StreamItem] { ready(try session.finish()) }

    private mutating func ready(_ pictures: [Picture]) -> [StreamItem] {
        defer { waiting.removeFirst(pictures.count) }
        return zip(waiting, pictures).map { item, picture in
            guard let frame = item.frame else { return item }
            let shown = showsInput ? Picture.sideBySide([frame.picture, picture]) : picture
            return StreamItem(
                RGBFrame(shown, pts: frame.pts, duration: frame.duration), after: item.copied)
        }
    }
}

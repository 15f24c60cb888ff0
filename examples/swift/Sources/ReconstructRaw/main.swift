// Reconstructs raw RGB frames of the model's size, from standard input to standard output:
//
//   ffmpeg -i in.mp4 -vf scale=224:224 -pix_fmt rgb24 -f rawvideo - | ReconstructRaw FOLDER > out.rgb
//
// FOLDER has config.yaml and the weights; without it, VIDTWIN_MODEL or an installed model serves.

import Glibc
import VidTwin

func fail(_ text: String) -> Never {
    _ = "ReconstructRaw: \(text)\n".withCString { write(STDERR_FILENO, $0, strlen($0)) }
    exit(1)
}

/// The next frame's bytes, fewer at the end: a pipe gives them in pieces.
func nextFrame(of size: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: size) { buffer, used in
        while used < size {
            let count = read(STDIN_FILENO, buffer.baseAddress.map { $0 + used }, size - used)
            if count < 0 { fail("cannot read: \(String(cString: strerror(errno)))") }
            if count == 0 { return }
            used += count
        }
    }
}

func send(_ pictures: [Picture]) {
    for picture in pictures {
        picture.bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = write(
                    STDOUT_FILENO, bytes.baseAddress.map { $0 + done }, bytes.count - done)
                if count < 0 { fail("cannot write: \(String(cString: strerror(errno)))") }
                done += count
            }
        }
    }
}

do {
    let files = try ModelFiles(chosen: CommandLine.arguments.dropFirst().first)
    let model = try OpenedModel(files).model(device: Device())
    let (width, height) = (model.configuration.width, model.configuration.height)
    let size = width * height * 3
    let session = Session(model: model)
    while true {
        let bytes = nextFrame(of: size)
        if bytes.isEmpty { break }
        if bytes.count < size { fail("the last frame has \(bytes.count) of \(size) bytes") }
        send(try session.push(Picture(width: width, height: height, bytes: bytes)))
    }
    send(try session.finish())
} catch {
    fail("\(error)")
}

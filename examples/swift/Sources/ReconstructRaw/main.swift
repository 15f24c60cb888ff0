// Reconstructs raw RGB frames of the model's size, from standard input to standard output:
//
//   ffmpeg -i in.mp4 -vf scale=224:224 -pix_fmt rgb24 -f rawvideo - | ReconstructRaw FOLDER > out.rgb
//
// FOLDER has config.yaml and the weights; without it, VIDTWIN_MODEL or an installed model serves.

import Glibc
import VidTwin

func fail(_ text: String) -> Never {
    fputs("ReconstructRaw: \(text)\n", stderr)
    exit(1)
}

do {
    let files = try ModelFiles(chosen: CommandLine.arguments.dropFirst().first)
    let model = try VidTwinModel(
        configuration: Configuration(path: files.configuration),
        checkpoint: Checkpoint(path: files.checkpoint), device: Device())
    let (width, height) = (model.configuration.width, model.configuration.height)
    let session = Session(model: model)

    func write(_ pictures: [Picture]) {
        for picture in pictures
        where fwrite(picture.bytes, 1, picture.bytes.count, stdout) != picture.bytes.count {
            fail("cannot write: \(String(cString: strerror(errno)))")
        }
    }

    var bytes = [UInt8](repeating: 0, count: width * height * 3)
    while true {
        let count = fread(&bytes, 1, bytes.count, stdin)
        if count == 0 { break }
        if count < bytes.count { fail("the last frame has \(count) of \(bytes.count) bytes") }
        write(try session.push(Picture(width: width, height: height, bytes: bytes)))
    }
    write(try session.finish())
    if fflush(stdout) != 0 { fail("cannot write: \(String(cString: strerror(errno)))") }
} catch {
    fail("\(error)")
}

import ArgumentParser

/// Weights of LPIPS.
struct LPIPSOptions: ParsableArguments {
    @Option(
        name: .customLong("lpips"),
        help: ArgumentHelp(
            "Weights of LPIPS: torchvision's vgg16 and the lpips package's vgg.pth; give it twice, "
                + "or once for a file with both.", valueName: "file"))
    var files: [String] = []
}

import Glibc
import Testing
import VidTwin
import VidTwinTestSupport
import VidTwinTraining

struct SettingsTests {
    private static let published =
        "\(Fixtures.repository)/configs/vidtwin/vidtwin_structure_7_7_8_dynamics_7_8.yaml"

    /// The published file with paths in place of its words.
    private func source() throws -> SettingsSource {
        var source = try SettingsSource(files: [SettingsTests.published])
        for key in ["train", "validation"] {
            source.set("data.params.\(key).params.data_dir", text: "/videos")
            try source.apply("data.params.\(key).params.meta_path=null")
        }
        try source.apply("model.params.ckpt_path=null")
        return source
    }

    private func settings(_ source: SettingsSource) throws -> TrainingSettings {
        try TrainingSettings(source.tree, place: source.place)
    }

    @Test func `the published file trains but for its paths, which are named`() throws {
        let bare = try SettingsSource(files: [SettingsTests.published])
        let error = #expect(throws: ModelError.self) { try settings(bare) }
        let text = "\(error.map { "\($0)" } ?? "")"
        for key in [
            "data.params.train.params.data_dir", "data.params.train.params.meta_path",
            "data.params.validation.params.data_dir", "data.params.validation.params.meta_path",
            "model.params.ckpt_path",
        ] { #expect(text.contains(key), "\(text)") }

        let found = try settings(source())
        #expect(found.optimizer == AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 1e-4))
        #expect(
            found.generatorRate.schedule(total: 9000)
                == .cosine(start: 0, maximum: 3e-5, minimum: 0, warmUp: 5000, total: 9000))
        #expect(
            found.discriminatorRate.schedule(total: 9000)
                == .cosine(start: 1e-5, maximum: 1.5e-5, minimum: 0, warmUp: 5000, total: 9000))
        #expect(found.batchSize == 2 && found.accumulate == 1 && found.epochs == 10)
        #expect(found.saveEvery == 2500 && found.validateEvery == .whole(5000))
        #expect(found.sanityBatches == 10 && found.clip == nil && found.averageDecay == nil)
        #expect(found.loss.learnsLogVariance && found.loss.perceptualWeight == 0.05)
        #expect(found.loss.discriminatorKind == .pictures && found.loss.klWeight == 0.001)
        #expect(found.loss.active(batch: 10000) == (generator: false, discriminator: true))
        #expect(found.training.options.workers == 12)
        #expect(found.validation?.options.startFrame == 0)
        #expect(found.hiddenDropout == 0.1 && found.samples && found.monitor == "val/rec_loss")
        let notes = found.notes.joined(separator: "\n")
        for key in [
            "lightning.strategy", "lightning.callbacks", "model.params.lr_scheduler_config",
            "lightning.trainer.devices", "model.params.input_key",
        ] { #expect(found.notes.count { $0.contains(key + " ") } == 1, "\(key) in \(notes)") }
        #expect(notes.contains("every 5000 steps of both optimizers are every 2500 batches"))
        #expect(notes.contains("from batch 10000 on") && notes.contains("from batch 10001 on"))
        // What is written is what was read.
        let again = try ConfigurationTree(text: Array(found.text.utf8), path: "again")
        #expect(again.yaml == found.text)
    }

    @Test func `presets change what they say`() throws {
        var paper = try source()
        paper.apply(.paper)
        let found = try settings(paper)
        #expect(found.optimizer == AdamOptions(kind: .adam, betas: (0.9, 0.99), weightDecay: 1e-4))
        #expect(found.batchSize == 6 && found.discriminatorRate.maximum == 1.6e-4)
        #expect(paper.notes.contains { $0.contains("batch_size: 2 becomes 6") })
        var small = try SettingsSource(
            files: ["\(Fixtures.repository)/configs/vidtwin/vidtwin_small_training.yaml"])
        small.set("data.params.train.params.data_dir", text: "/v")
        small.apply(.paper)
        let warm = try settings(small).generatorRate
        #expect(warm.warmUp == 5000 && warm.warmUpPart == nil)
        var repo = try source()
        repo.apply(.repo)
        #expect(repo.notes.isEmpty, "\(repo.notes)")  // it is the file's own
    }

    @Test func `keys are overridden as in YAML, unknown ones named with the nearest`() throws {
        var source = try source()
        try source.apply("data.params.batch_size=4")
        try source.apply("lightning.trainer.gradient_clip_val=20")
        try source.apply("model.params.optimizer_config.params.lr_scale={'encoder\\.': 0.1}")
        try source.apply("model.params.ema_decay=0.999")
        try source.apply("lightning.trainer.val_check_interval=0.5")
        try source.apply("model.params.ignore_keys=[loss, 'decoder\\.x']")
        let found = try settings(source)
        #expect(found.batchSize == 4 && found.clip == 20 && found.averageDecay == 0.999)
        #expect(found.rateScales[0].pattern == "encoder\\." && found.rateScales[0].factor == 0.1)
        #expect(found.validateEvery == .part(0.5) && found.validateEvery.of(7) == 3)
        #expect(found.ignored == ["loss", "decoder\\.x"])
        let error = #expect(throws: ModelError.self) {
            try source.apply("data.params.batchsize=4")
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains("such as data.params.batch_size"))
        for bad in ["=4", "no_equals", "data..params=1", "lightning.trainer.max_epoch=1"] {
            #expect(throws: ModelError.self) { try source.apply(bad) }
        }
    }

    @Test func `what cannot be is an error that names its key`() throws {
        for (assignment, key) in [
            ("data.params.batch_size=0", "batch_size"),
            ("data.params.batch_size=two", "batch_size"),
            ("model.params.loss_config.params.dims=2", "dims"),
            ("model.params.loss_config.params.disc_type=4d", "disc_type"),
            ("model.params.optimizer_config.target=torch.optim.SGD", "optimizer_config.target"),
            ("model.params.optimizer_config.params.betas=[0.9]", "betas"),
            ("lightning.trainer.precision=16-mixed", "precision"),
            ("model.params.lr_scheduler_config_g.target=x.Step", "lr_scheduler_config_g.target"),
            ("data.params.train.params.video_params.input_height=128", "input_height"),
            ("lightning.trainer.val_check_interval=1.5", "val_check_interval"),
        ] {
            var source = try source()
            try source.apply(assignment)
            let error = #expect(throws: ModelError.self, "\(assignment)") { try settings(source) }
            #expect("\(error.map { "\($0)" } ?? "")".contains(key), "\(assignment)")
        }
    }

    @Test func `files are laid over each other, and a key that is none is found in them`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        Fixtures.write(
            Array("lightning:\n  trainer:\n    max_epochs: 3\n".utf8), to: "\(folder)/b.yaml")
        var source = try SettingsSource(files: [SettingsTests.published, "\(folder)/b.yaml"])
        source.set("data.params.train.params.data_dir", text: "/v")
        for key in [
            "data.params.train.params.meta_path", "data.params.validation",
            "model.params.ckpt_path",
        ] { try source.apply("\(key)=null") }
        let found = try settings(source)
        #expect(found.epochs == 3 && found.validation == nil && found.sanityBatches == 10)
        Fixtures.write(
            Array("lightning:\n  trainer:\n    max_epoch: 3\n".utf8), to: "\(folder)/c.yaml")
        let wrong = try SettingsSource(files: [SettingsTests.published, "\(folder)/c.yaml"])
        let error = #expect(throws: ModelError.self) { try settings(wrong) }
        #expect("\(error.map { "\($0)" } ?? "")".contains("such as lightning.trainer.max_epochs"))
    }

    @Test func `interpolations are resolved after all changes`() throws {
        var source = try source()
        try source.apply("data.params.num_workers=${data.params.batch_size}")
        try source.apply(
            "data.params.validation.params.data_dir=${data.params.train.params.data_dir}/held")
        try source.apply("data.params.batch_size=7")
        let found = try settings(source)
        #expect(found.training.options.workers == 7)
        #expect(found.validation?.folder == "/videos/held")
        try source.apply("data.params.batch_size=${data.params.num_workers}")
        #expect(throws: ModelError.self) { try settings(source) }
    }

    @Test func `the golden configurations can be trained on`() throws {
        for name in ["causal", "noncausal", "flat"] {
            var source = try SettingsSource(
                files: ["\(TrainingGoldens.folder)/\(name)/config.yaml"])
            source.set("data.params.train.params.data_dir", text: "/v")
            let found = try settings(source)
            #expect(found.accumulate == (name == "noncausal" ? 2 : 1))
            #expect(found.clip == (name == "flat" ? 20 : nil))
            #expect(found.generatorRate.warmUp == 3)
        }
    }
}

import ArgumentParser

/// What to do about queries that are both learned from and measured.
struct LeakOptions: ParsableArguments {
    @Flag(
        help:
            "Keep queries in train and dev that are also in the measured split, and measure an artefact that knows them. The figures then count what was memorised, and the output says so."
    )
    var allowLeak = false
}

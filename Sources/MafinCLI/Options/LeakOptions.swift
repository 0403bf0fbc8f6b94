import ArgumentParser

/// What to do about queries that are both in training and in the measured split.
struct LeakOptions: ParsableArguments {
    @Flag(
        help:
            "Keep queries in train and dev that are also in the measured split, and measure an artefact that was trained on them. The figures then count what was memorised, and the output says so."
    )
    var allowLeak = false
}

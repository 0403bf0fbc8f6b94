import MafinNumerics

/// A 64-bit fingerprint of training data, for telling whether a checkpoint belongs to it. Not cryptographic.
struct DataHash {
    private(set) var value: UInt64 = 0x6D61_6669_6E00_0001

    mutating func add(_ number: UInt64) {
        value = RandomGenerator.mix(value ^ number) &+ 0x9E37_79B9_7F4A_7C15
    }

    mutating func add(_ numbers: [Int]) {
        add(UInt64(numbers.count))
        for number in numbers { add(UInt64(bitPattern: Int64(number))) }
    }

    mutating func add(_ matrix: Matrix) {
        add([matrix.rows, matrix.columns])
        matrix.values.withUnsafeBufferPointer { values in
            for value in values { add(UInt64(value.bitPattern)) }
        }
    }

    /// Labels, splits, lengths, identities and the black box's vectors.
    init<Inputs>(_ data: TrainingData<Inputs>) {
        let index = data.index
        for judgements in index.labels {
            add(UInt64(judgements.count))
            for judgement in judgements {
                add(UInt64(judgement.column))
                add(UInt64(judgement.grade.bitPattern))
            }
        }
        for numbers in [
            index.trainQueries, index.devQueries, index.queryLengths, index.documentLengths, index.queryIdentities,
            index.documentIdentities, index.judgedDocuments,
        ] {
            add(numbers)
        }
        add(data.blackBoxQueries)
        add(data.blackBoxDocuments)
    }
}

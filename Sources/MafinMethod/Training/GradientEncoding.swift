import MafinNumerics

/// One encoder's forward pass over the inputs of a step, and its backward pass, in pieces of bounded size.
///
/// A single piece keeps its activations. Several are encoded, dropped, and encoded again one by one for their backward pass, with the
/// same dropout seeds (GradCache: Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021).
struct GradientEncoding<Encoder: TrainableEncoder> {
    /// `(inputs, dimension)`, as emitted.
    let embeddings: Matrix
    private let encoder: Encoder
    private let pieces: [(inputs: Encoder.Inputs, rows: Range<Int>, seed: UInt64?)]
    private let pass: Encoder.Pass?

    /// - Parameters:
    ///   - inputs: at least one row.
    ///   - seed: `nil`: no dropout.
    init(encoder: Encoder, inputs: Encoder.Inputs, seed: UInt64?, tokensPerPass: Int) throws {
        self.encoder = encoder
        // An encoder that computes again what it could not keep does so once; in pieces it would have to do it twice.
        let ranges =
            encoder.boundsMemoryOfPasses
            ? [0..<inputs.count] : rangesOfBoundedLength(inputs, tokens: tokensPerPass)
        if ranges.count == 1 {
            let pass = try encoder.forward(inputs, dropoutSeed: seed)
            embeddings = encoder.embeddings(of: pass)
            self.pass = pass
            pieces = []
            return
        }
        pass = nil
        pieces = ranges.enumerated().map { number, range in
            (
                inputs.selecting(rows: Array(range)), range,
                seed.map { RandomGenerator.mix($0 &+ UInt64(number) &+ 1) }
            )
        }
        var values: [Float] = []
        values.reserveCapacity(inputs.count * encoder.dimension)
        for piece in pieces {
            let pass = try encoder.forward(piece.inputs, dropoutSeed: piece.seed)
            values += encoder.embeddings(of: pass).values
        }
        embeddings = Matrix(rows: inputs.count, columns: encoder.dimension, values: values)
    }

    /// Adds to the encoder's gradients what ∂L/∂embeddings brings. To be called once.
    func backward(gradient: Matrix) throws {
        if let pass {
            try encoder.backward(pass, gradient: gradient)
            return
        }
        for piece in pieces {
            let pass = try encoder.forward(piece.inputs, dropoutSeed: piece.seed)
            try encoder.backward(pass, gradient: gradient.selecting(rows: piece.rows))
        }
    }
}

/// Consecutive rows of at most so many tokens together (a longer row stands alone).
func rangesOfBoundedLength<Inputs: EncoderInputs>(_ inputs: Inputs, tokens: Int) -> [Range<Int>] {
    BatchSize.tokens(tokens).batches(of: Array(0..<inputs.count)) { inputs.length(of: $0) }.map {
        $0.startIndex..<$0.endIndex
    }
}

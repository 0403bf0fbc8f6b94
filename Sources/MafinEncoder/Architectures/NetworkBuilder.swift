/// Makes a ``Network`` from the list that an architecture writes down, one call for each operation, in the order of the forward pass.
///
/// It gives every parameter its offset and every value its place, and lets the operation after a linear layer add its bias.
struct NetworkBuilder {
    let configuration: EncoderConfiguration
    let trained: TrainedPart
    private var layout = ParameterLayout()
    private var embedding: InputEmbedding?
    private var projection: Projection?
    private var embeddingSection = Network.Section()
    private var layers: [Network.Section] = []
    private var section = Network.Section()
    private var part = ParameterLayout.Part.embeddings
    private var weights: [PackedWeights.Weight] = []
    private var wideWidth = 0
    private var distances: SmallParameter?
    private var lowRankWidth = 0

    /// The linear layer whose output the next operation takes.
    private var pending: Linear?
    /// What the next operation reads.
    private var current = Value(place: .stream, width: 0, again: .present)
    private var branch = 0

    private struct Value {
        var place: Place
        var width: Int
        var again: Linear.InputAgain
    }

    private var layer: Int { layers.count }
    private var hidden: Int { configuration.hiddenSize }

    init(_ configuration: EncoderConfiguration, _ trained: TrainedPart) {
        self.configuration = configuration
        self.trained = trained
    }

    // MARK: Parameters

    private func isTrained(_ offset: Int) -> Bool {
        guard let tensor = layout.tensors.last(where: { $0.range.contains(offset) }) else { return false }
        return trained.includes(tensor)
    }

    private mutating func small(
        _ name: String, _ shape: [Int], _ kind: ParameterLayout.Kind, part: ParameterLayout.Part? = nil
    ) -> SmallParameter {
        let offset = layout.add(name, shape, kind, of: part ?? self.part)
        return share(offset, count: shape.reduce(1, *))
    }

    /// Gives a parameter room among the section's small gradients.
    private mutating func share(_ offset: Int, count: Int) -> SmallParameter {
        let parameter = SmallParameter(offset: offset, count: count, gradient: section.smallCount)
        section.smallCount += count
        if isTrained(offset) { section.small.append(parameter) }
        return parameter
    }

    private mutating func slot(_ width: Int) -> Int {
        section.slots.append(width)
        return section.slots.count - 1
    }

    private mutating func normalization(_ name: String, _ kind: Normalization.Kind, hasBias: Bool) -> Normalization {
        let gain = small(name + ".weight", [hidden], .gain)
        return Normalization(
            kind: kind, width: hidden, epsilon: configuration.layerNormEpsilon, gain: gain,
            bias: hasBias ? small(name + ".bias", [hidden], .normBias) : nil, normalized: slot(hidden), scale: slot(1))
    }

    // MARK: Embeddings

    /// The embeddings of tokens. Names are without `.weight`.
    /// - Parameter positions: the table of positions and its number of rows; a text begins at row `first`.
    mutating func embed(
        words: String, positions: (name: String, rows: Int, first: Int)? = nil,
        tokenTypes: (name: String, rows: Int)? = nil, norm: String, hasBias: Bool = true
    ) {
        let words = layout.add(words + ".weight", [configuration.vocabularySize, hidden], .words, of: .embeddings)
        let positionRows = positions.map {
            TokenEmbedding.Positions(
                table: layout.add($0.name + ".weight", [$0.rows, hidden], .matrix, of: .embeddings), first: $0.first)
        }
        let types = tokenTypes.map {
            layout.add($0.name + ".weight", [$0.rows, hidden], .matrix, of: .embeddings)
        }
        let embedding = TokenEmbedding(
            width: hidden, words: words, positions: positionRows, tokenTypes: types,
            norm: normalization(norm, .layer, hasBias: hasBias))
        self.embedding = .tokens(embedding)
        current = Value(place: .stream, width: hidden, again: .embeddings(embedding))
        embeddingSection = section
        section = Network.Section()
    }

    /// The embeddings of an image's patches behind a class token. Names are whole, as those of class tokens and tables have no ending.
    /// - Parameters:
    ///   - classToken: the class token and its shape.
    ///   - positions: the table of positions, its shape, and its patches along a side.
    ///   - patches: the convolution.
    ///   - norm: of the rows; `nil`: none.
    mutating func embed(
        _ images: ImageShape, classToken: (name: String, shape: [Int]),
        positions: (name: String, shape: [Int], grid: Int), patches: (name: String, hasBias: Bool), norm: String? = nil
    ) {
        let token = layout.add(classToken.name, classToken.shape, .matrix, of: .embeddings)
        let table = layout.add(positions.name, positions.shape, .matrix, of: .embeddings)
        let weight = layout.add(
            patches.name + ".weight", [hidden, ImageShape.channels, images.patch, images.patch], .matrix,
            of: .embeddings, isLinear: true)
        let bias = patches.hasBias ? layout.add(patches.name + ".bias", [hidden], .bias, of: .embeddings) : nil
        embedding = .patches(
            PatchEmbedding(
                width: hidden, shape: images, classToken: token, weight: weight, index: weights.count, bias: bias,
                positions: ImagePositions(table: table, grid: positions.grid, size: images.grid),
                norm: norm.map { normalization($0, .layer, hasBias: true) }))
        weights.append(
            PackedWeights.Weight(source: weight, outputs: hidden, inputs: images.patchWidth, lowRank: nil))
        current = Value(place: .stream, width: hidden, again: .present)
        embeddingSection = section
        section = Network.Section()
    }

    // MARK: Layers

    /// A layer: the operations that `body` appends.
    mutating func layer(_ body: (inout NetworkBuilder) -> Void) {
        part = .layer(layer)
        branch = 0
        body(&self)
        finishSection()
    }

    /// A table of numbers for buckets of distances, which all layers share.
    mutating func distanceTable(_ name: String, buckets: Int) -> SmallParameter {
        let offset = layout.add(name + ".weight", [buckets, configuration.headCount], .matrix, of: .allLayers)
        let table = SmallParameter(offset: offset, count: buckets * configuration.headCount, gradient: 0)
        distances = table
        return table
    }

    /// A linear layer to `outputs` columns. If it has several names, their rows are one after the other in one product.
    mutating func linear(_ role: Linear.Role, _ names: [String], outputs: Int, hasBias: Bool = true) {
        if current.place == .stream, case .present = current.again {
            preconditionFailure(
                "a linear layer's input must be a norm's output, or the backward pass cannot compute it again")
        }
        let inputs = current.width
        let rows = outputs / names.count
        let offsets = names.map {
            layout.add($0 + ".weight", [rows, inputs], .matrix, of: part, isLinear: true)
        }
        let biases = hasBias ? names.map { layout.add($0 + ".bias", [rows], .bias, of: part) } : []
        let bias = biases.first.map { share($0, count: outputs) }
        let lowRank = trained.lowRank.map { options in
            let range = names.indices.map { $0 * rows..<($0 + 1) * rows }
            let inputOffsets = names.map {
                layout.add($0 + ".lora_A.weight", [options.rank, inputs], .lowRankInput, of: part, isLinear: true)
            }
            lowRankWidth = max(lowRankWidth, names.count * options.rank)
            return LowRank(
                rank: options.rank, scale: options.scale, input: inputOffsets[0],
                parts: zip(names, range).map { name, rows in
                    LowRank.Part(
                        rows: rows,
                        output: layout.add(
                            name + ".lora_B.weight", [rows.count, options.rank], .lowRankOutput, of: part,
                            isLinear: true))
                })
        }
        let (savedInput, gradient): (Place, Place) =
            switch current.place {
            case .stream: (.stream, .streamGradient)
            case .block: (.stream, .block)
            // The context of attention: its gradient goes into the stream's memory, which is free.
            case .kept(let slot): (.kept(slot), .stream)
            default: (.activated, .wideBlock)
            }
        pending = Linear(
            role: role, index: weights.count, weight: offsets[0], outputs: outputs, inputs: inputs, bias: bias,
            lowRank: lowRank, isTrainable: isTrained(offsets[0]),
            input: current.place, savedInput: savedInput, inputAgain: current.again, inputGradient: gradient)
        weights.append(
            PackedWeights.Weight(source: offsets[0], outputs: outputs, inputs: inputs, lowRank: pending?.lowRank))
    }

    /// Appends the pending linear layer, whose output goes to a slot of its own.
    private mutating func keepLinear() -> (slot: Int, bias: Int?) {
        guard var linear = pending else { preconditionFailure("a linear layer comes first") }
        pending = nil
        let slot = slot(linear.outputs)
        linear.output = .kept(slot)
        linear.outputGradient = .kept(slot)
        section.operations.append(linear)
        return (slot, linear.bias?.offset)
    }

    /// Lets the next operation add the bias of the linear layer that was appended last.
    private mutating func absorbBias(isBeforeGELU: Bool = false) {
        guard var linear = section.operations.last as? Linear else { return }
        linear.addsBias = false
        linear.isBeforeGELU = isBeforeGELU
        section.operations[section.operations.count - 1] = linear
    }

    /// Attention over the queries, keys and values that the linear layer before it computes.
    mutating func attention(_ positions: AttentionPositions = .none, window: Int? = nil) {
        let (queryKeyValue, _) = keepLinear()
        let context = slot(hidden)
        section.operations.append(
            Attention(
                hidden: hidden, headCount: configuration.headCount, layer: layer, positions: positions, window: window,
                queryKeyValue: queryKeyValue, context: context, logSumExp: slot(configuration.headCount)))
        current = Value(place: .kept(context), width: hidden, again: .present)
    }

    /// Attention with the numbers of a shared table added to its scores.
    mutating func attention(distances table: SmallParameter, buckets: Int) {
        attention(
            .relative(
                RelativePositions(
                    table: table, headCount: configuration.headCount, bucketCount: buckets,
                    maximumLength: configuration.maximumPositions)))
    }

    mutating func gelu() {
        let width = pending?.outputs ?? 0
        let (slot, bias) = keepLinear()
        absorbBias(isBeforeGELU: true)
        section.operations.append(GELU(width: width, slot: slot, inputBias: bias))
        activated(width)
    }

    mutating func quickGELU() {
        let width = pending?.outputs ?? 0
        let (slot, bias) = keepLinear()
        guard let bias else { preconditionFailure("the linear layer before it has a bias") }
        absorbBias()
        section.operations.append(QuickGELU(width: width, slot: slot, inputBias: bias))
        activated(width)
    }

    /// The activation of one half of the columns before it, times the other half.
    mutating func gated(_ function: GatedActivation.Function, activatesFirst: Bool) {
        let width = (pending?.outputs ?? 0) / 2
        let (slot, _) = keepLinear()
        section.operations.append(
            GatedActivation(function: function, width: width, slot: slot, activatesFirst: activatesFirst))
        activated(width)
    }

    private mutating func activated(_ width: Int) {
        wideWidth = max(wideWidth, width)
        current = Value(place: .wideBlock, width: width, again: .present)
    }

    /// The norm before a branch.
    mutating func normalize(_ name: String, hasBias: Bool = true, kind: Normalization.Kind = .layer) {
        let norm = normalization(name, kind, hasBias: hasBias)
        section.operations.append(NormalizeBranch(norm: norm))
        current = Value(place: .block, width: hidden, again: .norm(norm, layer: layer))
    }

    /// The end of a branch, whose sum with the stream is normalised.
    mutating func addAndNormalize(_ name: String, hasBias: Bool = true, kind: Normalization.Kind = .layer) {
        let bias = appendLinear()
        let norm = normalization(name, kind, hasBias: hasBias)
        section.operations.append(AddAndNormalize(norm: norm, inputBias: bias, site: site()))
        current = Value(place: .stream, width: hidden, again: .norm(norm, layer: layer))
    }

    /// The end of a branch, which is added to the stream.
    mutating func add() {
        let bias = appendLinear()
        section.operations.append(Add(width: hidden, inputBias: bias, site: site()))
        // Only a norm can compute the stream again.
        current = Value(place: .stream, width: hidden, again: .present)
    }

    /// The end of a branch, which is added to the stream with a factor for each column.
    mutating func add(scaledBy name: String) {
        let (slot, bias) = keepLinear()
        absorbBias()
        section.operations.append(
            AddScaled(
                width: hidden, scale: small(name, [hidden], .scale), slot: slot, inputBias: bias, site: site()))
        current = Value(place: .stream, width: hidden, again: .present)
    }

    /// Appends the pending linear layer, whose bias the next operation adds.
    private mutating func appendLinear() -> Int? {
        guard let linear = pending else { preconditionFailure("a linear layer comes first") }
        pending = nil
        section.operations.append(linear)
        absorbBias()
        return linear.bias?.offset
    }

    private mutating func site() -> Dropout.Site {
        branch += 1
        return branch == 1 ? .attentionOutput(layer: layer) : .output(layer: layer)
    }

    // MARK: The end

    private mutating func finishSection() {
        let operations = section.operations
        func runs(ends: (any Operation) -> Bool) -> [Range<Int>] {
            var runs: [Range<Int>] = []
            var start = 0
            for (index, operation) in operations.enumerated() {
                if !operation.isRowwise {
                    if start < index { runs.append(start..<index) }
                    runs.append(index..<index + 1)
                    start = index + 1
                } else if ends(operation) {
                    runs.append(start..<index + 1)
                    start = index + 1
                }
            }
            if start < operations.count { runs.append(start..<operations.count) }
            return runs
        }
        section.forwardRuns = runs { _ in false }
        section.backwardRuns = runs { $0.endsBranch }
        layers.append(section)
        section = Network.Section()
    }

    /// - Parameters:
    ///   - finalNorm: the norm of the stream after the last layer; `nil`: none.
    ///   - projected: the linear layer behind the pooling and its outputs; `nil`: none.
    mutating func network(
        finalNorm: (name: String, hasBias: Bool)? = nil, projected: (name: String, outputs: Int)? = nil
    ) -> Network {
        guard let embedding else { preconditionFailure("a network begins with its embeddings") }
        part = .last
        if let finalNorm {
            let norm = normalization(finalNorm.name, .layer, hasBias: finalNorm.hasBias)
            section.operations.append(NormalizeStream(norm: norm))
            section.forwardRuns = [0..<1]
            section.backwardRuns = [0..<1]
        }
        if let projected {
            let weight = layout.add(
                projected.name + ".weight", [projected.outputs, hidden], .matrix, of: .last, isLinear: true)
            projection = Projection(
                weight: weight, outputs: projected.outputs, inputs: hidden, isTrained: isTrained(weight))
        }
        return Network(
            configuration: configuration, layout: layout, embedding: embedding, embeddingSection: embeddingSection,
            layers: layers, projection: projection, last: section, weights: weights, trained: trained,
            wideWidth: wideWidth,
            distances: distances, lowRankWidth: lowRankWidth)
    }
}

import CMafinKernels

/// Layer normalisation (Ba et al. 2016), or the root mean square norm (Zhang and Sennrich 2019), with what it keeps: the normalised rows
/// without gain and bias, and their 1/σ.
struct Normalization: Sendable {
    enum Kind: Sendable { case layer, rootMeanSquare }

    let kind: Kind
    let width: Int
    let epsilon: Float
    let gain: SmallParameter
    let bias: SmallParameter?
    /// Slots of the normalised rows, `(tokens, width)`, and of 1/σ, `(tokens)`.
    let normalized: Int
    let scale: Int

    private var isCentered: Bool { kind == .layer }

    /// Normalises dropout(x + inputBias) + residual, and writes the result to `y`.
    func forward(
        _ rows: Range<Int>, _ x: UnsafePointer<Float>, inputBias: UnsafePointer<Float>?,
        residual: UnsafePointer<Float>?,
        _ mask: mafin_dropout, _ frame: Frame, into y: UnsafeMutablePointer<Float>
    ) {
        frame.clock.time(.layerNorm, floats: 4 * rows.count * width) {
            mafin_residual_norm(
                isCentered, rows.count, width, x, inputBias, residual, mask, epsilon,
                frame.kept(normalized) + rows.lowerBound * width, frame.kept(scale) + rows.lowerBound)
            output(rows, layer: frame.layer, frame, into: y)
        }
    }

    /// From the gradient of the output to that of the input, in place.
    func backward(_ rows: Range<Int>, _ d: UnsafeMutablePointer<Float>, _ frame: Frame) {
        frame.clock.time(.layerNormBackward, floats: 3 * rows.count * width) {
            mafin_norm_backward(
                isCentered, rows.count, width, d, frame.kept(normalized) + rows.lowerBound * width,
                frame.kept(scale) + rows.lowerBound, frame.parameters + gain.offset, frame.smallGradient(gain.gradient),
                bias.map { frame.smallGradient($0.gradient) })
        }
    }

    /// Computes the output again from what was kept in a layer.
    func output(
        _ rows: Range<Int>, layer: Int, _ frame: Frame, into y: UnsafeMutablePointer<Float>,
        dropout mask: mafin_dropout = Dropout.noMask
    ) {
        mafin_affine(
            rows.count, width, frame.activations[layer, normalized] + rows.lowerBound * width,
            frame.parameters + gain.offset, bias.map { frame.parameters + $0.offset }, mask, y)
    }
}

/// stream = norm(stream + dropout(branch + bias)): the end of a branch of a network that normalises after it (Vaswani et al. 2017).
struct AddAndNormalize: Operation {
    let norm: Normalization
    /// The bias of the linear layer before it; `nil`: it has none.
    let inputBias: Int?
    let site: Dropout.Site

    var endsBranch: Bool { true }

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        let stream = frame.row(rows.lowerBound, of: .stream, width: norm.width)
        norm.forward(
            rows, frame.row(rows.lowerBound, of: .block, width: norm.width),
            inputBias: inputBias.map { frame.parameters + $0 }, residual: stream,
            frame.dropout.mask(site, firstRow: frame.chunk.firstToken + rows.lowerBound), frame, into: stream)
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        norm.backward(rows, frame.row(rows.lowerBound, of: .streamGradient, width: norm.width), frame)
        frame.dropStreamGradient(rows, site, width: norm.width)
    }
}

/// The norm at the beginning of a branch; the stream stays as it is (Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture").
struct NormalizeBranch: Operation {
    let norm: Normalization

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        norm.forward(
            rows, frame.row(rows.lowerBound, of: .stream, width: norm.width), inputBias: nil, residual: nil,
            Dropout.noMask,
            frame, into: frame.row(rows.lowerBound, of: .block, width: norm.width))
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        let d = frame.row(rows.lowerBound, of: .block, width: norm.width)
        norm.backward(rows, d, frame)
        mafin_axpy(
            rows.count * norm.width, 1, d, frame.row(rows.lowerBound, of: .streamGradient, width: norm.width))
    }
}

/// The norm of the stream after the last layer.
struct NormalizeStream: Operation {
    let norm: Normalization

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        let stream = frame.row(rows.lowerBound, of: .stream, width: norm.width)
        norm.forward(rows, stream, inputBias: nil, residual: nil, Dropout.noMask, frame, into: stream)
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        norm.backward(rows, frame.row(rows.lowerBound, of: .streamGradient, width: norm.width), frame)
    }
}

/// stream += dropout(branch + bias): the end of a branch of a network that normalises before it.
struct Add: Operation {
    let width: Int
    /// The bias of the linear layer before it; `nil`: it has none.
    let inputBias: Int?
    let site: Dropout.Site

    var endsBranch: Bool { true }

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        let branch = frame.row(rows.lowerBound, of: .block, width: width)
        frame.clock.time(.residual, floats: 3 * rows.count * width) {
            if let inputBias { mafin_add_bias(rows.count, width, branch, frame.parameters + inputBias) }
            let mask = frame.dropout.mask(site, firstRow: frame.chunk.firstToken + rows.lowerBound)
            if mask.threshold > 0 { mafin_apply_dropout(rows.count, width, branch, mask, branch) }
            mafin_axpy(rows.count * width, 1, branch, frame.row(rows.lowerBound, of: .stream, width: width))
        }
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        frame.dropStreamGradient(rows, site, width: width)
    }
}

extension Frame {
    /// Writes the gradient of a branch's output: that of the stream, through dropout.
    fileprivate func dropStreamGradient(_ rows: Range<Int>, _ site: Dropout.Site, width: Int) {
        let d = row(rows.lowerBound, of: .streamGradient, width: width)
        let out = row(rows.lowerBound, of: .branchGradient, width: width)
        clock.time(.layerNormBackward, floats: 2 * rows.count * width) {
            let mask = dropout.mask(site, firstRow: chunk.firstToken + rows.lowerBound)
            if mask.threshold > 0 {
                mafin_apply_dropout(rows.count, width, d, mask, out)
            } else {
                out.update(from: d, count: rows.count * width)
            }
        }
    }
}

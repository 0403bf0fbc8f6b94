import CMafinKernels

/// stream += λ · dropout(branch + bias), with a learned λ for each column: the end of a branch with layer scale (Touvron et al. 2021, "Going
/// deeper with Image Transformers", eq. 4).
struct AddScaled: Operation {
    let width: Int
    let scale: SmallParameter
    /// The slot of the branch, which λ's gradient needs. The bias is added to it, and in the backward pass the gradient overwrites it.
    let slot: Int
    /// The bias of the linear layer before it; `nil`: it has none.
    let inputBias: Int?
    let site: Dropout.Site

    var endsBranch: Bool { true }

    func forward(_ rows: Range<Int>, columns: [Range<Int>]?, _ frame: Frame) {
        let branch = frame.kept(slot) + rows.lowerBound * width
        frame.clock.time(.residual, floats: 4 * rows.count * width) {
            if let inputBias { mafin_add_bias(rows.count, width, branch, frame.parameters + inputBias) }
            drop(branch, rows, frame)
            mafin_add_scaled(
                rows.count, width, branch, frame.parameters + scale.offset,
                frame.row(rows.lowerBound, of: .stream, width: width))
        }
    }

    func backward(_ rows: Range<Int>, _ frame: Frame) {
        let branch = frame.kept(slot) + rows.lowerBound * width
        frame.clock.time(.layerNormBackward, floats: 3 * rows.count * width) {
            mafin_add_scaled_backward(
                rows.count, width, frame.row(rows.lowerBound, of: .streamGradient, width: width),
                frame.parameters + scale.offset, branch, frame.smallGradient(scale.gradient))
            drop(branch, rows, frame)
        }
    }

    private func drop(_ branch: UnsafeMutablePointer<Float>, _ rows: Range<Int>, _ frame: Frame) {
        let mask = frame.dropout.mask(site, firstRow: frame.chunk.firstToken + rows.lowerBound)
        if mask.threshold > 0 { mafin_apply_dropout(rows.count, width, branch, mask, branch) }
    }
}

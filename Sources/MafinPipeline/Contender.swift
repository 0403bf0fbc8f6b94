import MafinMethod

/// A way to use a trained local encoder, to be compared with the others on the same data in the same time.
public enum Contender: String, Sendable, Codable, CaseIterable {
    /// Joint training at the calibrated scale, mixed at the scale fitted on dev: the method of this library.
    case mafin
    /// Joint training at λ = ½ and a fixed temperature, mixed at ½: the paper's Mafin.
    case paperMafin = "paper-mafin"
    /// Joint training with λ and τ learned along: the paper's λ-Mafin with one λ, refitted on dev.
    case lambdaMafin = "lambda-mafin"
    /// λ-Mafin's form without a λ: the local vector's length is its weight.
    case normMafin = "norm-mafin"
    /// The method of this library with a mixture of its listwise loss and the contrastive one.
    case hybridMafin = "hybrid-mafin"
    /// The encoder tuned without the black box: what joint training has to beat, alone and mixed afterwards.
    case tunedAlone = "tuned-alone"

    /// The rivals that are trained unless others are asked for.
    public static let rivals: [Contender] = [.tunedAlone, .paperMafin, .lambdaMafin]

    /// The name of its joined vectors in tables and JSON.
    package var joinedName: String { self == .tunedAlone ? "tuned-alone-mixed" : rawValue }

    /// The name of its local half alone.
    package var aloneName: String { self == .tunedAlone ? rawValue : "\(rawValue)-local-half" }

    /// The name of both halves joined half and half, where that is not what ``joinedName`` means: what the paper's Mafin has to beat.
    package var concatenatedName: String? { self == .tunedAlone ? "\(rawValue)-concatenated" : nil }

    /// Names of all rows that its training gives.
    package var rowNames: [String] { [aloneName, concatenatedName, joinedName].compactMap(\.self) }

    /// The options that make it what it is.
    func options(from options: TrainingOptions) -> TrainingOptions {
        var options = options
        switch self {
        case .mafin, .hybridMafin:
            break
        case .paperMafin:
            options.form = .fixed
            options.scale = .given(.paper)
            options.fitsScaleOnDev = false
            options.trainedShares = []
        case .lambdaMafin:
            options.form = .learned
            options.scale = .calibrated
        case .normMafin:
            options.form = .norm
            options.scale = .calibrated
        case .tunedAlone:
            options.form = .localOnly
            options.scale = .calibrated
        }
        return options
    }

    /// - Parameter loss: the one that all contenders share unless they are about the loss.
    func objective(from loss: any Loss) -> any Loss {
        guard self == .hybridMafin, !(loss is HybridLoss) else { return loss }
        return HybridLoss(listwise: (loss as? any RowwiseLoss) ?? ListNet(target: .exponentialGain))
    }
}

import CMafin
import MafinBlackBox
import MafinNumerics
import MafinPipeline

// The functions of `mafin.h` that make vectors.

/// `mafin_encode`, as the header describes it.
@_cdecl("mafin_encode")
public func encode(
    _ model: OpaquePointer?, _ role: mafin_role, _ texts: UnsafePointer<mafin_texts>?,
    _ options: UnsafePointer<mafin_options>?, _ output: UnsafeMutablePointer<Float>?, _ capacity: UInt64,
    _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    withModel(model, error) { model in
        let side = try MafinC.role(role)
        let options = try CallOptions(options, allowed: Int(MAFIN_UNNORMALIZED))
        let list = try MafinC.texts(texts, "texts")
        let needed = try product(UInt64(list.count), UInt64(model.localDimension), "output")
        let room = try MafinC.output(output, needed, capacity: capacity, "output")
        try model.encode(
            list, as: side, prefix: options.prefix(), isUnit: !options.has(Int(MAFIN_UNNORMALIZED)), to: room,
            done: options.done(of: list.count))
    }
}

/// `mafin_encode_joined`, as the header describes it.
@_cdecl("mafin_encode_joined")
public func encodeJoined(
    _ model: OpaquePointer?, _ role: mafin_role, _ texts: UnsafePointer<mafin_texts>?,
    _ ids: UnsafePointer<mafin_texts>?, _ blackBox: UnsafePointer<mafin_vectors>?,
    _ options: UnsafePointer<mafin_options>?, _ output: UnsafeMutablePointer<Float>?, _ capacity: UInt64,
    _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    withModel(model, error) { model in
        let side = try MafinC.role(role)
        let options = try CallOptions(options, allowed: side == .query ? Int(MAFIN_OFFLINE) : 0)
        let list = try MafinC.texts(texts, "texts")
        let given = try vectors(blackBox, count: list.count, columns: model.blackBoxDimension, "black_box")
        let needed = try product(UInt64(list.count), UInt64(model.joinedDimension), "output")
        let room = try MafinC.output(output, needed, capacity: capacity, "output")
        let done = options.done(of: list.count)
        let joined: Matrix
        if side == .query {
            let asking = try options.asking()
            guard given == nil || asking == .given else {
                throw ArgumentFault("black_box is given, and MAFIN_OFFLINE leaves it out: choose one of both")
            }
            joined = try model.join(queries: list, blackBox: given, asking: asking, done: done)
        } else {
            let known = try ids.map { try MafinC.texts($0, "ids") } ?? []
            guard known.isEmpty || known.count == list.count else {
                throw ArgumentFault("ids: \(known.count) identifiers for \(list.count) texts")
            }
            joined = try model.join(documents: list, ids: known, blackBox: given, done: done)
        }
        _ = room.update(from: joined.values)
    }
}

/// `mafin_count_tokens`, as the header describes it.
@_cdecl("mafin_count_tokens")
public func countTokens(
    _ model: OpaquePointer?, _ role: mafin_role, _ texts: UnsafePointer<mafin_texts>?,
    _ counts: UnsafeMutablePointer<UInt64>?, _ capacity: UInt64, _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    withModel(model, error) { model in
        let side = try MafinC.role(role)
        let list = try MafinC.texts(texts, "texts")
        let room = try output(counts, list.count, capacity: capacity, "counts")
        _ = room.update(from: try model.tokenCounts(of: list, as: side).map { UInt64($0) })
    }
}

/// Runs the body of a function of a model, which counts its errors.
private func withModel(
    _ handle: OpaquePointer?, _ error: UnsafeMutablePointer<mafin_error>?, _ body: (SharedModel) throws -> Void
) -> mafin_status {
    guard let held = try? object(handle, "model", as: ModelHandle.self) else {
        return answer(error) { throw ArgumentFault("model is NULL") }
    }
    return answer(error, counting: held.model.counters) { try body(held.model) }
}

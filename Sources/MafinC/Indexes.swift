import CMafin
import Foundation
import MafinNumerics
import MafinPipeline
import MafinRetrieval

// The functions of `mafin.h` about indexes.

/// `mafin_index_open`, as the header describes it.
@_cdecl("mafin_index_open")
public func openIndex(
    _ model: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ index: UnsafeMutablePointer<OpaquePointer?>?,
    _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    answer(error) {
        guard let index else { throw ArgumentFault("index is NULL") }
        index.pointee = nil
        let model = try object(model, "model", as: ModelHandle.self).model
        let path = try string(path, "path")
        guard !path.isEmpty else { throw ArgumentFault("path is empty") }
        index.pointee = handle(of: IndexHandle(try SharedIndex(model, readingFrom: URL(fileURLWithPath: path))))
    }
}

/// `mafin_index_make`, as the header describes it.
@_cdecl("mafin_index_make")
public func makeIndex(
    _ model: OpaquePointer?, _ texts: UnsafePointer<mafin_texts>?, _ ids: UnsafePointer<mafin_texts>?,
    _ blackBox: UnsafePointer<mafin_vectors>?, _ options: UnsafePointer<mafin_options>?,
    _ index: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    let held = try? object(model, "model", as: ModelHandle.self)
    return answer(error, counting: held?.model.counters) {
        guard let model = held?.model else { throw ArgumentFault("model is NULL") }
        guard let index else { throw ArgumentFault("index is NULL") }
        index.pointee = nil
        let options = try CallOptions(options, allowed: Int(MAFIN_WITHOUT_BLACK_BOX))
        let list = try MafinC.texts(texts, "texts")
        let known = try ids.map { try MafinC.texts($0, "ids") }
        guard known == nil || known?.count == list.count else {
            throw ArgumentFault("ids: \(known?.count ?? 0) identifiers for \(list.count) texts")
        }
        let given = try vectors(blackBox, count: list.count, columns: model.blackBoxDimension, "black_box")
        let made = try SharedIndex(
            model, texts: list, ids: known ?? [], blackBox: given,
            without: options.has(Int(MAFIN_WITHOUT_BLACK_BOX)), done: options.done(of: list.count))
        index.pointee = handle(of: IndexHandle(made))
    }
}

/// `mafin_index_close`, as the header describes it.
@_cdecl("mafin_index_close")
public func closeIndex(_ index: OpaquePointer?) { close(index, as: IndexHandle.self) }

/// `mafin_index_count`, as the header describes it.
@_cdecl("mafin_index_count")
public func indexCount(_ index: OpaquePointer?) -> UInt64 {
    UInt64((try? object(index, "index", as: IndexHandle.self).index.count) ?? 0)
}

/// `mafin_search`, as the header describes it.
@_cdecl("mafin_search")
public func search(
    _ index: OpaquePointer?, _ queries: UnsafePointer<mafin_texts>?, _ blackBox: UnsafePointer<mafin_vectors>?,
    _ count: UInt64, _ options: UnsafePointer<mafin_options>?, _ rows: UnsafeMutablePointer<UInt64>?,
    _ scores: UnsafeMutablePointer<Float>?, _ parts: UnsafeMutablePointer<Float>?,
    _ found: UnsafeMutablePointer<UInt64>?, _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    withIndex(index, error) { index in
        let options = try CallOptions(options, allowed: Int(MAFIN_OFFLINE) | Int(MAFIN_WITHOUT_BLACK_BOX))
        let request = try SharedIndex.Request(reading: queries, blackBox, options, for: index.model)
        let done = options.done(of: request.texts.count)
        guard count > 0 else { throw ArgumentFault("expected a count of at least 1, found 0") }
        let places = try product(UInt64(request.texts.count), count, size: MemoryLayout<UInt64>.stride, "rows")
        // Without a query any count fits.
        let wanted = Int(clamping: count)
        let width = index.model.sources.count
        let rows = try output(rows, places, "rows")
        let scores = try output(scores, places, "scores")
        let parts = try parts.map {
            try output($0, product(UInt64(places), UInt64(width), "parts"), "parts")
        }
        rows.update(repeating: .max)
        scores.update(repeating: 0)
        parts?.update(repeating: .nan)
        try index.search(request, count: wanted, parts: parts != nil, done: done) { query, best, own in
            let start = query * wanted
            for (place, entry) in best.enumerated() {
                rows[start + place] = UInt64(entry.index)
                scores[start + place] = entry.score
                guard let parts, let own else { continue }
                for column in 0..<width { parts[(start + place) * width + column] = own[place, column] }
            }
            found?[query] = UInt64(best.count)
        }
    }
}

/// `mafin_score`, as the header describes it.
@_cdecl("mafin_score")
public func score(
    _ index: OpaquePointer?, _ queries: UnsafePointer<mafin_texts>?, _ blackBox: UnsafePointer<mafin_vectors>?,
    _ rows: UnsafePointer<UInt64>?, _ rowCount: UInt64, _ options: UnsafePointer<mafin_options>?,
    _ scores: UnsafeMutablePointer<Float>?, _ parts: UnsafeMutablePointer<Float>?,
    _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    withIndex(index, error) { index in
        let options = try CallOptions(options, allowed: Int(MAFIN_OFFLINE) | Int(MAFIN_WITHOUT_BLACK_BOX))
        let request = try SharedIndex.Request(reading: queries, blackBox, options, for: index.model)
        let done = options.done(of: request.texts.count)
        let chosen = try chosenRows(rows, rowCount, count: index.count)
        let columns = Int(rowCount)
        let places = try product(UInt64(request.texts.count), rowCount, "scores")
        let width = index.model.sources.count
        let scores = try output(scores, places, "scores")
        let parts = try parts.map {
            try output($0, product(UInt64(places), UInt64(width), "parts"), "parts")
        }
        try index.score(request, rows: chosen, done: done) { query, own, ownParts in
            let start = query * columns
            for (place, score) in own.enumerated() { scores[start + place] = score }
            guard let parts else { return }
            for (place, part) in ownParts.values.enumerated() { parts[start * width + place] = part }
        }
    }
}

/// `mafin_index_document`, as the header describes it.
@_cdecl("mafin_index_document")
public func indexDocument(
    _ index: OpaquePointer?, _ row: UInt64, _ document: UnsafeMutablePointer<mafin_document>?,
    _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    withIndex(index, error) { index in
        guard let document else { throw ArgumentFault("document is NULL") }
        let found = try index.document(Int(clamping: row))
        func copy(_ text: String) -> (UnsafePointer<CChar>?, UInt64) {
            let bytes = Array(text.utf8)
            let room = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
            for (place, byte) in bytes.enumerated() { room[place] = CChar(bitPattern: byte) }
            room[bytes.count] = 0
            return (UnsafePointer(room), UInt64(bytes.count))
        }
        let (id, title, text) = (copy(found.id), copy(found.title), copy(found.text))
        document.pointee = mafin_document(
            id: id.0, id_length: id.1, title: title.0, title_length: title.1, text: text.0, text_length: text.1)
    }
}

/// `mafin_document_free`, as the header describes it.
@_cdecl("mafin_document_free")
public func freeDocument(_ document: UnsafeMutablePointer<mafin_document>?) {
    guard let document else { return }
    for field in [document.pointee.id, document.pointee.title, document.pointee.text] { field?.deallocate() }
    document.pointee = mafin_document()
}

/// `mafin_index_row`, as the header describes it.
@_cdecl("mafin_index_row")
public func indexRow(
    _ index: OpaquePointer?, _ id: UnsafePointer<CChar>?, _ length: UInt64, _ row: UnsafeMutablePointer<UInt64>?,
    _ error: UnsafeMutablePointer<mafin_error>?
) -> mafin_status {
    withIndex(index, error) { index in
        guard let row else { throw ArgumentFault("row is NULL") }
        guard length <= UInt64(Int.max), id != nil || length == 0 else { throw ArgumentFault("id is NULL") }
        guard
            let id = String(validating: UnsafeRawBufferPointer(start: id, count: Int(length)), as: UTF8.self)
        else { throw ArgumentFault("id is no UTF-8") }
        row.pointee = UInt64(try index.row(of: id))
    }
}

// MARK: Shared

/// Runs the body of a function of an index, which counts its errors.
private func withIndex(
    _ handle: OpaquePointer?, _ error: UnsafeMutablePointer<mafin_error>?, _ body: (SharedIndex) throws -> Void
) -> mafin_status {
    guard let held = try? object(handle, "index", as: IndexHandle.self) else {
        return answer(error) { throw ArgumentFault("index is NULL") }
    }
    return answer(error, counting: held.index.model.counters) { try body(held.index) }
}

extension SharedIndex.Request {
    /// What a caller asks for.
    fileprivate init(
        reading queries: UnsafePointer<mafin_texts>?, _ blackBox: UnsafePointer<mafin_vectors>?, _ options: CallOptions,
        for model: SharedModel
    ) throws {
        let list = try MafinC.texts(queries, "queries")
        self.init(
            list, blackBox: try vectors(blackBox, count: list.count, columns: model.blackBoxDimension, "black_box"),
            asking: try options.asking(), weights: options.weights(model.sources.count))
    }
}

/// The rows that are named, each checked; `nil` for all.
private func chosenRows(_ rows: UnsafePointer<UInt64>?, _ rowCount: UInt64, count: Int) throws -> [Int]? {
    guard rowCount <= UInt64(Int.max / MemoryLayout<UInt64>.stride) else {
        throw ArgumentFault("\(rowCount) rows are more than memory can hold")
    }
    guard let rows else {
        guard rowCount == UInt64(count) else {
            throw ArgumentFault("rows is NULL, so row_count must be \(count), the index's; it is \(rowCount)")
        }
        return nil
    }
    return UnsafeBufferPointer(start: rows, count: Int(rowCount)).map { Int(clamping: $0) }
}

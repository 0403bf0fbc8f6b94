import AsyncHTTPClient
import Foundation
import Logging
import MafinBlackBox
import MafinNumerics
import MafinPipeline
import NIOCore
import NIOHTTP1

extension ModelHub {
    /// Makes sure that a file's content is in the cache, complete and checked. Returns its record.
    /// - Parameter progress: told the bytes of this file that are present.
    func store(
        _ file: HubFile, in target: HubRepository, progress: @escaping @Sendable (Int64) -> Void
    ) async throws -> ModelRecord.File {
        let blob = target.blob(file.etag)
        let lock = try await FileLock(target.lock(file.etag)) { [logger] in
            logger?.notice("another process is downloading this file; waiting", metadata: ["file": "\(file.path)"])
        }
        defer { withExtendedLifetime(lock) {} }
        if let size = Self.size(of: blob) {
            guard file.size == nil || file.size == size else {
                throw ProviderError.corruptDownload(
                    file: blob.path, expected: "\(file.size ?? 0) bytes", found: "\(size) bytes in the cache; delete it"
                )
            }
            return ModelRecord.File(sha256: try hash(blob), bytes: size, etag: file.etag)
        }
        do {
            try FileManager.default.createDirectory(
                at: blob.deletingLastPathComponent(), withIntermediateDirectories: true)
        } catch {
            throw ProviderError.cannotStore(
                path: blob.deletingLastPathComponent().path, reason: "the folder cannot be created")
        }
        let part = blob.appendingPathExtension("incomplete")
        // The part that an earlier download left may be damaged. Then the download starts again.
        let isResumed = (Self.size(of: part) ?? 0) > 0
        do {
            return try await download(file, in: target, part: part, blob: blob, progress: progress)
        } catch ProviderError.corruptDownload where isResumed {
            logger?.warning("the earlier part is damaged; starting again", metadata: ["file": "\(file.path)"])
            return try await download(file, in: target, part: part, blob: blob, progress: progress)
        }
    }

    private func download(
        _ file: HubFile, in target: HubRepository, part: URL, blob: URL, progress: @escaping @Sendable (Int64) -> Void
    ) async throws -> ModelRecord.File {
        let start = resolveURL(file.path, commit: file.commit, in: target)
        try await retrying(target) { () async throws -> Attempt<Void> in
            // Each attempt starts at the hub's own address, because the address that it redirects to is signed and expires.
            var url = start
            for _ in 0..<10 {
                let fetched = try await HTTPTransport.namingFailures {
                    try await fetch(url, of: file, into: part, progress)
                }
                switch fetched {
                case .complete: return .done(())
                case .redirect(let next): url = next
                case .restart:
                    try? FileManager.default.removeItem(at: part)
                    return .again(reason: "the server does not send the missing range", after: nil)
                case .refused(let answer): return try attempt(failedWith: answer, target)
                }
            }
            throw ProviderError.badAnswer(endpoint: start, reason: "it redirects without end")
        }
        let bytes = Self.size(of: part) ?? 0
        do {
            let sha256 = try verify(part, is: file)
            guard rename(part.path, blob.path) == 0 else {
                throw ProviderError.cannotStore(path: blob.path, reason: String(cString: strerror(errno)))
            }
            return ModelRecord.File(sha256: sha256, bytes: bytes, etag: file.etag)
        } catch let error as ProviderError {
            if case .corruptDownload = error { try? FileManager.default.removeItem(at: part) }
            throw error
        }
    }

    private enum Fetch {
        case complete
        case redirect(String)
        case restart
        case refused(HTTPAnswer)
    }

    /// Requests the missing rest of a file and appends it to `part` as it arrives.
    private func fetch(
        _ url: String, of file: HubFile, into part: URL, _ progress: @Sendable (Int64) -> Void
    ) async throws -> Fetch {
        let present = Self.size(of: part) ?? 0
        if let size = file.size, present == size, size > 0 { return .complete }
        var request = HTTPClientRequest(url: url)
        request.headers = headers(for: url)
        if present > 0 { request.headers.add(name: "range", value: "bytes=\(present)-") }
        let response = try await transport.client.execute(request, timeout: .seconds(60))
        let status = Int(response.status.code)
        switch status {
        case 200, 206: break
        case 300..<400:
            guard let next = response.headers.first(name: "location").flatMap({ Self.target(of: $0, from: url) }) else {
                throw ProviderError.badAnswer(endpoint: url, reason: "a redirect without an address")
            }
            return .redirect(next)
        case 416: return .restart
        default:
            let body = try await response.body.collect(upTo: 1 << 20)
            return .refused(HTTPAnswer(status: status, headers: response.headers, body: body))
        }
        if status == 206, !Self.starts(response.headers.first(name: "content-range"), at: present) { return .restart }
        let writer = try PartWriter(part, keeping: status == 206 ? present : 0)
        var bytes = status == 206 ? present : 0
        progress(bytes)
        for try await var piece in response.body {
            bytes += Int64(piece.readableBytes)
            try writer.append(&piece)
            progress(bytes)
        }
        try Task.checkCancellation()  // the body of a cancelled request ends as if it were complete
        try writer.close()
        if let size = file.size, bytes < size {
            throw ConnectionFailure(description: "\(file.path) ended after \(bytes) of \(size) bytes")
        }
        return .complete
    }

    /// Whether a `Content-Range` (`bytes 5-9/10`) begins at an offset. If it is absent, the range is assumed to be right.
    private static func starts(_ range: String?, at offset: Int64) -> Bool {
        guard let range else { return true }
        return range.prefixMatch(of: /bytes ([0-9]+)-/).map { Int64($0.1) == offset } ?? false
    }

    /// Compares a downloaded file with what the hub announced, and returns its SHA-256.
    ///
    /// The hub's ETag of a large file is its SHA-256. That of a small file is git's hash of it (SHA-1 over a header and the content).
    private func verify(_ part: URL, is file: HubFile) throws -> String {
        let size = Self.size(of: part) ?? 0
        if let expected = file.size, expected != size {
            throw ProviderError.corruptDownload(file: file.path, expected: "\(expected) bytes", found: "\(size) bytes")
        }
        let sha256 = try hash(part)
        let found: String
        switch file.etag.count {
        case 64: found = sha256
        case 40: found = try Self.gitHash(part, size: size)
        default: return sha256  // an ETag of a mirror's own kind says nothing about the content
        }
        guard found == file.etag.lowercased() else {
            throw ProviderError.corruptDownload(file: file.path, expected: "hash \(file.etag)", found: "hash \(found)")
        }
        return sha256
    }

    func hash(_ file: URL) throws -> String {
        do {
            return try ContentHash.sha256(of: file)
        } catch {
            throw ProviderError.cannotStore(path: file.path, reason: "it cannot be read back")
        }
    }

    private static func gitHash(_ file: URL, size: Int64) throws -> String {
        var hash = ContentHash(.sha1)
        hash.update("blob \(size)\0")
        try hash.update(contentsOf: file)
        return ContentHash.hexadecimal(hash.finalize())
    }

    /// Size of a file, links followed, or nil if it does not exist.
    static func size(of file: URL) -> Int64? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: file.resolvingSymlinksInPath().path)
        return (attributes?[.size] as? NSNumber)?.int64Value
    }
}

/// Appends to an unfinished file as bytes arrive, so that an interrupted download can continue.
private final class PartWriter {
    private let path: String
    private var descriptor: Int32
    private var fault: ProviderError { .cannotStore(path: path, reason: String(cString: strerror(errno))) }

    /// Opens a file for appending, after its first `length` bytes.
    init(_ file: URL, keeping length: Int64) throws {
        path = file.path
        descriptor = open(file.path, O_WRONLY | O_CREAT, 0o644)
        guard descriptor >= 0, ftruncate(descriptor, off_t(length)) == 0, lseek(descriptor, 0, SEEK_END) >= 0 else {
            throw fault
        }
    }

    func append(_ buffer: inout ByteBuffer) throws {
        while buffer.readableBytes > 0 {
            let count = buffer.readWithUnsafeReadableBytes { max(0, write(descriptor, $0.baseAddress, $0.count)) }
            if count == 0, errno != EINTR { throw fault }
        }
    }

    /// Syncs everything to disk, so that the renamed file is complete even after a power cut.
    func close() throws {
        guard fsync(descriptor) == 0 else { throw fault }
    }

    deinit { if descriptor >= 0 { Foundation.close(descriptor) } }
}

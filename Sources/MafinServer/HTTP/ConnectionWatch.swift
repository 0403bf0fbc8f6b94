import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

/// Notices that a request's client has left, and closes connections after an answer that says `connection: close`.
///
/// A client that closes only its sending side (as `nc -N` does) counts as having left, as in nginx.
final class ConnectionWatch: Sendable {
    private struct Connection {
        var isOpen = true
        var onLeave: (@Sendable () -> Void)?
    }

    private let connections = Mutex<[ObjectIdentifier: Connection]>([:])

    /// Calls `body` at once when the client of a connection leaves, until ``forget(_:)``.
    func onLeave(of channel: any Channel, _ body: @escaping @Sendable () -> Void) {
        let isOpen = connections.withLock { connections in
            let key = ObjectIdentifier(channel)
            guard connections[key]?.isOpen != false else { return false }
            // A connection that is not watched (in tests without a network) counts as open.
            connections[key]?.onLeave = body
            return true
        }
        if !isOpen { body() }
    }

    /// Removes the callback of ``onLeave(of:_:)``.
    func forget(_ channel: any Channel) {
        connections.withLock { $0[ObjectIdentifier(channel)]?.onLeave = nil }
    }

    /// A handler for a new connection's pipeline.
    func makeHandler() -> any RemovableChannelHandler { Handler(self) }

    fileprivate func opened(_ channel: any Channel) {
        connections.withLock { $0[ObjectIdentifier(channel)] = Connection() }
    }

    fileprivate func left(_ channel: any Channel) {
        let body = connections.withLock { connections in
            let key = ObjectIdentifier(channel)
            connections[key]?.isOpen = false
            defer { connections[key]?.onLeave = nil }
            return connections[key]?.onLeave
        }
        body?()
    }

    fileprivate func closed(_ channel: any Channel) {
        left(channel)
        connections.withLock { $0[ObjectIdentifier(channel)] = nil }
    }

    private final class Handler: ChannelDuplexHandler, RemovableChannelHandler {
        typealias InboundIn = HTTPRequestPart
        typealias InboundOut = HTTPRequestPart
        typealias OutboundIn = HTTPResponsePart
        typealias OutboundOut = HTTPResponsePart

        private let watch: ConnectionWatch
        private var closesAfterAnswer = false

        init(_ watch: ConnectionWatch) { self.watch = watch }

        func handlerAdded(context: ChannelHandlerContext) {
            watch.opened(context.channel)
        }

        func channelInactive(context: ChannelHandlerContext) {
            watch.closed(context.channel)
            context.fireChannelInactive()
        }

        func handlerRemoved(context: ChannelHandlerContext) {
            watch.closed(context.channel)
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case ChannelEvent.inputClosed = event { watch.left(context.channel) }
            context.fireUserInboundEventTriggered(event)
        }

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            switch unwrapOutboundIn(data) {
            case .head(let head):
                closesAfterAnswer = head.headerFields[.connection]?.lowercased() == "close"
                context.write(data, promise: promise)
            case .end where closesAfterAnswer:
                closesAfterAnswer = false
                // The client may still be sending. Its bytes are read and dropped for a moment: closing a connection with
                // unread bytes resets it, and then the answer would be lost.
                let channel = context.channel
                context.write(data, promise: promise)
                context.flush()
                context.eventLoop.scheduleTask(in: .milliseconds(500)) { channel.close(promise: nil) }
            default:
                context.write(data, promise: promise)
            }
        }
    }
}

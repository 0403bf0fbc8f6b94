#include "postgresql_client.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

typedef void (*notice_receiver)(void *, const mafin_pg_result *);

static struct {
    mafin_pg_connection *(*connectdb)(const char *);
    int (*status)(const mafin_pg_connection *);
    char *(*errorMessage)(const mafin_pg_connection *);
    void (*finish)(mafin_pg_connection *);
    notice_receiver (*setNoticeReceiver)(mafin_pg_connection *, notice_receiver, void *);
    mafin_pg_result *(*exec)(mafin_pg_connection *, const char *);
    mafin_pg_result *(*execParams)(
        mafin_pg_connection *, const char *, int, const unsigned int *, const char *const *, const int *, const int *, int);
    int (*sendQueryParams)(
        mafin_pg_connection *, const char *, int, const unsigned int *, const char *const *, const int *, const int *, int);
    int (*setSingleRowMode)(mafin_pg_connection *);
    mafin_pg_result *(*getResult)(mafin_pg_connection *);
    int (*putCopyData)(mafin_pg_connection *, const char *, int);
    int (*putCopyEnd)(mafin_pg_connection *, const char *);
    int (*resultStatus)(const mafin_pg_result *);
    char *(*resultErrorMessage)(const mafin_pg_result *);
    char *(*resultErrorField)(const mafin_pg_result *, int);
    int (*ntuples)(const mafin_pg_result *);
    int (*nfields)(const mafin_pg_result *);
    char *(*fname)(const mafin_pg_result *, int);
    unsigned int (*ftype)(const mafin_pg_result *, int);
    int (*getisnull)(const mafin_pg_result *, int, int);
    char *(*getvalue)(const mafin_pg_result *, int, int);
    int (*getlength)(const mafin_pg_result *, int, int);
    void (*clear)(mafin_pg_result *);
} pq;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[512];

static const struct {
    const char *name;
    void **place;
} functions[] = {
    {"PQconnectdb", (void **)&pq.connectdb},
    {"PQstatus", (void **)&pq.status},
    {"PQerrorMessage", (void **)&pq.errorMessage},
    {"PQfinish", (void **)&pq.finish},
    {"PQsetNoticeReceiver", (void **)&pq.setNoticeReceiver},
    {"PQexec", (void **)&pq.exec},
    {"PQexecParams", (void **)&pq.execParams},
    {"PQsendQueryParams", (void **)&pq.sendQueryParams},
    {"PQsetSingleRowMode", (void **)&pq.setSingleRowMode},
    {"PQgetResult", (void **)&pq.getResult},
    {"PQputCopyData", (void **)&pq.putCopyData},
    {"PQputCopyEnd", (void **)&pq.putCopyEnd},
    {"PQresultStatus", (void **)&pq.resultStatus},
    {"PQresultErrorMessage", (void **)&pq.resultErrorMessage},
    {"PQresultErrorField", (void **)&pq.resultErrorField},
    {"PQntuples", (void **)&pq.ntuples},
    {"PQnfields", (void **)&pq.nfields},
    {"PQfname", (void **)&pq.fname},
    {"PQftype", (void **)&pq.ftype},
    {"PQgetisnull", (void **)&pq.getisnull},
    {"PQgetvalue", (void **)&pq.getvalue},
    {"PQgetlength", (void **)&pq.getlength},
    {"PQclear", (void **)&pq.clear},
};

static void load(void) {
    static const char *const names[] = {
        "libpq.so.5", "libpq.so", "libpq.5.dylib", "/opt/homebrew/opt/libpq/lib/libpq.5.dylib", "/usr/local/opt/libpq/lib/libpq.5.dylib",
    };
    void *library = NULL;
    for (size_t i = 0; library == NULL && i < sizeof names / sizeof *names; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(failure, sizeof failure, "no libpq on this machine (Debian: apt-get install libpq5; macOS: brew install libpq)");
        return;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        *functions[i].place = dlsym(library, functions[i].name);
        if (*functions[i].place == NULL) {
            snprintf(failure, sizeof failure, "the libpq of this machine lacks %s: it is too old", functions[i].name);
            return;
        }
    }
}

int mafin_pq_load(char *reason, int capacity) {
    pthread_once(&once, load);
    if (capacity > 0) snprintf(reason, (size_t)capacity, "%s", failure);
    return failure[0] != 0;
}

// A library prints nothing: the server's notices are dropped.
static void ignore(void *context, const mafin_pg_result *result) { (void)context, (void)result; }

mafin_pg_connection *mafin_pq_connectdb(const char *description) {
    mafin_pg_connection *connection = pq.connectdb(description);
    if (connection != NULL) pq.setNoticeReceiver(connection, ignore, NULL);
    return connection;
}

int mafin_pq_status(const mafin_pg_connection *connection) { return pq.status(connection); }
const char *mafin_pq_errorMessage(const mafin_pg_connection *connection) { return pq.errorMessage(connection); }
void mafin_pq_finish(mafin_pg_connection *connection) { pq.finish(connection); }

mafin_pg_result *mafin_pq_exec(mafin_pg_connection *connection, const char *statement) { return pq.exec(connection, statement); }

mafin_pg_result *mafin_pq_execParams(
    mafin_pg_connection *connection, const char *statement, int count, const char *const *values, int binary_result) {
    return pq.execParams(connection, statement, count, NULL, values, NULL, NULL, binary_result);
}

int mafin_pq_sendQuery(mafin_pg_connection *connection, const char *statement, int binary_result) {
    return pq.sendQueryParams(connection, statement, 0, NULL, NULL, NULL, NULL, binary_result);
}

int mafin_pq_setSingleRowMode(mafin_pg_connection *connection) { return pq.setSingleRowMode(connection); }
mafin_pg_result *mafin_pq_getResult(mafin_pg_connection *connection) { return pq.getResult(connection); }

int mafin_pq_putCopyData(mafin_pg_connection *connection, const char *bytes, int count) {
    return pq.putCopyData(connection, bytes, count);
}

int mafin_pq_putCopyEnd(mafin_pg_connection *connection, const char *reason) { return pq.putCopyEnd(connection, reason); }
int mafin_pq_resultStatus(const mafin_pg_result *result) { return pq.resultStatus(result); }
const char *mafin_pq_resultErrorMessage(const mafin_pg_result *result) { return pq.resultErrorMessage(result); }

const char *mafin_pq_resultErrorState(const mafin_pg_result *result) {
    // 'C' names the field of the SQLSTATE.
    return pq.resultErrorField(result, 'C');
}

int mafin_pq_ntuples(const mafin_pg_result *result) { return pq.ntuples(result); }
int mafin_pq_nfields(const mafin_pg_result *result) { return pq.nfields(result); }
const char *mafin_pq_fname(const mafin_pg_result *result, int column) { return pq.fname(result, column); }
unsigned int mafin_pq_ftype(const mafin_pg_result *result, int column) { return pq.ftype(result, column); }
int mafin_pq_getisnull(const mafin_pg_result *result, int row, int column) { return pq.getisnull(result, row, column); }
const char *mafin_pq_getvalue(const mafin_pg_result *result, int row, int column) { return pq.getvalue(result, row, column); }
int mafin_pq_getlength(const mafin_pg_result *result, int row, int column) { return pq.getlength(result, row, column); }
void mafin_pq_clear(mafin_pg_result *result) { pq.clear(result); }

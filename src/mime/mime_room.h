/* mime_room.h - what the files of src/mime share. */
#ifndef MIME_ROOM_H
#define MIME_ROOM_H
#include <postrider/mime.h>

enum mime_type { TYPE_TEXT, TYPE_MESSAGE, TYPE_MULTIPART, TYPE_OTHER };
enum mime_subtype { SUB_OTHER, SUB_PLAIN, SUB_RFC822, SUB_PARTIAL, SUB_EXTERNAL, SUB_GLOBAL, SUB_DIGEST };
/* What a Content-Transfer-Encoding says: the encoding itself and what kind of bytes are behind it (RFC 2045, 6.2). */
enum mime_encoding { ENC_7BIT, ENC_8BIT, ENC_BINARY, ENC_BASE64, ENC_QP };

struct boundary {
	struct boundary		*outer;
	enum mime_type		 part_type;	/* of parts that do not say */
	enum mime_subtype	 part_subtype;
	size_t			 len;
	char			 text[];	/* cut at boundary_limit */
};

struct mime {
	const struct mime_config *config;
	const struct mime_hooks	*hooks;
	void			*arg;
	enum { AT_PRIMARY, AT_PART, AT_NESTED, AT_BODY } state;
	bool			 mid_line;	/* the last push was partial */
	bool			 only_body;
	unsigned		 errors;
	enum mime_type		 type;		/* of the entity being read */
	enum mime_subtype	 subtype;
	enum mime_encoding	 encoding, domain;
	struct boundary		*stack;		/* innermost first */
	int			 depth;
	struct buf		 header;	/* pending; downgrade: the current output line while in the body */
};

/* content.c */
enum mime_type content_type(const char *value, enum mime_subtype *sub_r, const char **params_r);
/* Next parameter; false at the end. */
bool	content_param(const char **cursor, struct buf *name, struct buf *value);
bool	content_encoding(const char *value, enum mime_encoding *enc_r, enum mime_encoding *domain_r);
const char *encoding_name(enum mime_encoding);
/* qp.c: encodes into out, handing out finished lines */
void	qp_encode(struct mime *, const char *line, size_t len, bool partial);
#endif
